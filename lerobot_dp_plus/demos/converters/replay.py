"""Replay buffers: the frames of all episodes end to end, one array a key, and `episode_ends`.

PushT's buffers are recognised by their columns and become what gym-pusht evaluates: the agent's position is
`observation.state`, and the block's pose becomes the eight corners of `observation.environment_state`, or a picture. The
nine keypoints that Diffusion Policy stores are another set of points, which gym-pusht does not give, and are left out.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from lerobot.utils.constants import ACTION, OBS_ENV_STATE, OBS_IMAGE, OBS_STATE

from lerobot_dp_plus.demos.converters import common
from lerobot_dp_plus.demos.converters.common import Array, Columns, Recording, Sources
from lerobot_dp_plus.demos.features import picture_feature
from lerobot_dp_plus.demos.pusht_features import FPS, IMAGE_SHAPE, ROBOT_TYPE, TASK, PushTEnv, keypoints, pusht_features

PLAIN = {"state": OBS_STATE, "action": ACTION, "img": OBS_IMAGE}


@dataclass(frozen=True)
class Replay:
    """An open replay buffer: `arrays` are anything with shape, dtype and slices, each (N, ...); `ends` (E,)."""

    source: Path
    arrays: Mapping[str, Any]
    ends: np.ndarray

    def array(self, key: str) -> Array:
        """An array that has one row for every frame.

        Raises:
            ValueError: there is no such key, or it has more or fewer rows.
        """
        where = f"{self.source}: {key}"
        if key not in self.arrays:
            raise ValueError(f"{where} is missing; it has {sorted(self.arrays)}")
        found = Array(self.arrays[key], self.source, key)
        rows = found.data.shape[0] if found.data.shape else "no"
        if rows != self.ends[-1]:
            raise ValueError(f"{where} has {rows} rows and episode_ends closes at {self.ends[-1]}; must agree")
        return found


def check_ends(ends: np.ndarray, where: str) -> np.ndarray:
    """`episode_ends` (E,) as int64.

    Raises:
        ValueError: not integers, no episodes, or not strictly increasing from above 0: an episode would be empty.
    """
    ends = np.asarray(ends)
    if ends.dtype.kind not in "iu" or ends.ndim != 1 or not len(ends):
        raise ValueError(f"{where} has dtype {ends.dtype} and shape {ends.shape}; legal is a list of integers")
    lengths = np.diff(ends.astype(np.int64), prepend=0)
    if (lengths < 1).any():
        episode = int(np.flatnonzero(lengths < 1)[0])
        raise ValueError(
            f"{where}: episode {episode} would have {lengths[episode]} frames; "
            "legal are strictly increasing numbers from 1, one past the last frame of each episode"
        )
    return ends.astype(np.int64)


def is_pusht(replay: Replay) -> bool:
    """Whether the columns are PushT's: five numbers of state, two of action."""
    return all(
        key in replay.arrays and tuple(replay.arrays[key].shape[1:]) == (width,) for key, width in _PUSHT.items()
    )


_PUSHT = {"state": 5, "action": 2}


def pusht_recording(
    replay: Replay,
    *,
    images: bool,
    corners: bool | None,
    video: bool,
    white: float | None,
    fps: int,
    task: str | None,
) -> Recording:
    """PushT's buffer in gym-pusht's terms; pictures are the buffer's own, or drawn by gym-pusht where it has none.

    A policy observes whatever a dataset has, and gym-pusht shows pictures or corners, never both. So `corners` of None are
    there where pictures are not.
    """
    corners = not images if corners is None else corners
    found = {key: replay.array(key) for key in _PUSHT}
    for key, width in _PUSHT.items():
        shape = tuple(found[key].data.shape)
        if shape[1:] != (width,):
            raise ValueError(f"{found[key].where} has shape {shape}; PushT's is (N, {width})")
        found[key].width  # noqa: B018  refuses what holds no numbers
    features = {key: dict(feature) for key, feature in pusht_features().items() if not key.startswith("next.")}
    carried = {OBS_STATE: ["state[0:2]"], OBS_ENV_STATE: ["state[2:5] as eight corners"], ACTION: ["action"]}
    if not corners:
        del features[OBS_ENV_STATE], carried[OBS_ENV_STATE]
    film = replay.array("img") if images and "img" in replay.arrays else None
    if images:
        film = None if film is None else _with_white(film, white)
        features[OBS_IMAGE] = picture_feature(IMAGE_SHAPE if film is None else film.picture_shape, video)
        carried[OBS_IMAGE] = ["drawn by gym-pusht from state" if film is None else "img"]

    def columns(first: int, last: int, scratch: Path) -> Columns:
        states = found["state"].numbers(first, last)
        column = {OBS_STATE: states[:, :2], ACTION: found["action"].numbers(first, last)}
        if corners:
            column[OBS_ENV_STATE] = keypoints(*states[:, 2:].T).astype(np.float32)
        if images:
            column[OBS_IMAGE] = draw(states) if film is None else film.film(scratch, first, last)
        return column

    used = {*_PUSHT, *(["img"] if images else [])}
    return _recording(replay, features, carried, used, columns, fps or FPS, task or TASK, ROBOT_TYPE)


def plain_recording(
    replay: Replay, *, mapping: Sequence[tuple[str, str]], video: bool, white: float | None, fps: int, task: str
) -> Recording:
    """Any buffer: (source key, feature) pairs, several numbers of one feature end to end in the order given."""
    sources: Sources = {}
    for key, feature in mapping:
        found = replay.array(key)
        common.check_feature(feature, len(found.data.shape) == 4, found.where)
        sources.setdefault(feature, []).append(_with_white(found, white) if common.is_picture(feature) else found)
    carried = {feature: [found.key for found in arrays] for feature, arrays in sources.items()}
    for feature, keys in carried.items():
        if common.is_picture(feature) and len(keys) > 1:
            raise ValueError(f"{replay.source}: {keys} cannot all become {feature!r}; one camera, one feature")
    features = common.features_of(sources, video)

    def columns(first: int, last: int, scratch: Path) -> Columns:
        return common.columns_of(sources, scratch, first, last)

    return _recording(replay, features, carried, {key for key, _ in mapping}, columns, fps, task, None)


def _with_white(film: Array, white: float | None) -> Array:
    """`film`, of floating point with `white` as white, or with 255 or 1 as the first pictures suggest."""
    if white is None and film.data.dtype != np.uint8:
        white = 255.0 if film.rows(0, min(len(film), common.BLOCK)).max() > 1 else 1.0
    return replace(film, white=255.0 if white is None else white)


def _recording(
    replay: Replay,
    features: dict[str, dict[str, Any]],
    carried: dict[str, list[str]],
    used: set[str],
    columns: Callable[[int, int, Path], Columns],
    fps: int,
    task: str,
    robot_type: str | None,
) -> Recording:
    starts = [0, *replay.ends[:-1].tolist()]

    def read(episode: int, scratch: Path) -> Columns:
        return columns(starts[episode], int(replay.ends[episode]), scratch)

    lengths = np.diff(replay.ends, prepend=0).tolist()
    left_out = sorted(set(replay.arrays) - used)
    return Recording(replay.source, fps, task, features, lengths, read, carried, left_out, robot_type)


def draw(states: np.ndarray) -> np.ndarray:
    """What gym-pusht's camera sees of states (T, 5: agent x, y, block x, y, angle), (T, 96, 96, 3) uint8."""
    env = _camera()
    frames = np.empty((len(states), *IMAGE_SHAPE), np.uint8)
    for index, (agent_x, agent_y, block_x, block_y, angle) in enumerate(map(np.ndarray.tolist, states.astype(float))):
        env.agent.position = (agent_x, agent_y)
        # Angle first: the other order moves the block about its centre of gravity.
        env.block.angle = angle
        env.block.position = (block_x, block_y)
        for body in (env.agent, env.block):
            env.space.reindex_shapes_for_body(body)  # what is drawn is where the last physics step left the shapes
        frames[index] = env.get_obs()
    return frames


@functools.cache
def _camera() -> PushTEnv:
    env = PushTEnv(obs_type="pixels")
    env.reset(seed=0)
    return env
