"""Replay buffers: the frames of all episodes end to end, one array a key, and `episode_ends`.

PushT's buffers are recognised by their columns and become what gym-pusht evaluates: the agent's position is
`observation.state`, and the block's pose becomes the eight corners of `observation.environment_state`, or a picture. The
nine keypoints that Diffusion Policy stores are another set of points, which gym-pusht does not give, and are left out.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lerobot_dp_plus.demos.converters.common import (
    BLOCK,
    Columns,
    Recording,
    check_feature,
    gather,
    names_of,
    number_feature,
    numbers,
    picture_feature,
    picture_shape,
    pictures,
    reading,
    width_of,
)
from lerobot_dp_plus.demos.pusht_features import FPS, IMAGE_SHAPE, ROBOT_TYPE, TASK, PushTEnv, keypoints, pusht_features

#: Numbers up to this size are read once; beyond it, episode by episode.
_KEEP_BYTES = 256 * 2**20
STATE, ENVIRONMENT_STATE, ACTION, IMAGE = (
    "observation.state",
    "observation.environment_state",
    "action",
    "observation.image",
)
PLAIN = {"state": STATE, "action": ACTION, "img": IMAGE}


@dataclass(frozen=True)
class Replay:
    """An open replay buffer: `arrays` are anything with shape, dtype and slices, each (N, ...); `ends` (E,)."""

    source: Path
    arrays: Mapping[str, Any]
    ends: np.ndarray

    def where(self, key: str) -> str:
        """How messages name an array."""
        return f"{self.source}: {key}"

    def header(self, key: str) -> tuple[tuple[int, ...], np.dtype]:
        """Shape and dtype of an array that has one row for every frame.

        Raises:
            ValueError: there is no such key, or it has more or fewer rows.
        """
        if key not in self.arrays:
            raise ValueError(f"{self.where(key)} is missing; it has {sorted(self.arrays)}")
        shape, dtype = tuple(self.arrays[key].shape), np.dtype(self.arrays[key].dtype)
        if not shape or shape[0] != self.ends[-1]:
            rows = shape[0] if shape else "no"
            raise ValueError(
                f"{self.where(key)} has {rows} rows and episode_ends closes at {self.ends[-1]}; must agree"
            )
        return shape, dtype

    def block(self, key: str, first: int, last: int) -> np.ndarray:
        """Rows first … last − 1."""
        with reading(f"{self.where(key)} (rows {first} to {last})"):
            return np.asarray(self.arrays[key][first:last])

    def reader(self, key: str) -> Callable[[int, int], np.ndarray]:
        """`block` for numbers: small arrays are read once, because chunks do not end where episodes do."""
        shape, dtype = self.header(key)
        if int(np.prod(shape)) * dtype.itemsize > _KEEP_BYTES:
            return functools.partial(self.block, key)
        whole = functools.cache(lambda: self.block(key, 0, shape[0]))
        return lambda first, last: whole()[first:last]


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
    corners: bool,
    video: bool,
    white: float | None,
    fps: int,
    task: str | None,
) -> Recording:
    """PushT's buffer in gym-pusht's terms; pictures are the buffer's own, or drawn by gym-pusht where it has none.

    A policy observes whatever a dataset has, and gym-pusht shows pictures or corners, never both: one of the two.
    """
    for key, width in _PUSHT.items():
        shape, dtype = replay.header(key)
        if shape[1:] != (width,):
            raise ValueError(f"{replay.where(key)} has shape {shape}; PushT's is (N, {width})")
        width_of(shape, dtype, replay.where(key))
    features = {key: dict(feature) for key, feature in pusht_features().items() if not key.startswith("next.")}
    carried = {STATE: ["state[0:2]"], ENVIRONMENT_STATE: ["state[2:5] as eight corners"], ACTION: ["action"]}
    if not corners:
        del features[ENVIRONMENT_STATE], carried[ENVIRONMENT_STATE]
    drawn = images and "img" not in replay.arrays
    if images:
        shape = IMAGE_SHAPE if drawn else picture_shape(*replay.header("img"), replay.where("img"))
        features[IMAGE] = picture_feature(shape, video)
        carried[IMAGE] = ["drawn by gym-pusht from state" if drawn else "img"]
    state, action = replay.reader("state"), replay.reader("action")
    white = _white(replay, "img", white) if images and not drawn else white

    def columns(first: int, last: int, scratch: Path) -> Columns:
        states = numbers(state(first, last), f"{replay.where('state')} (from row {first})")
        column = {
            STATE: states[:, :2],
            ACTION: numbers(action(first, last), f"{replay.where('action')} (from row {first})"),
        }
        if corners:
            column[ENVIRONMENT_STATE] = keypoints(*states[:, 2:].T).astype(np.float32)
        if drawn:
            column[IMAGE] = draw(states)
        elif images:
            assert white is not None
            column[IMAGE] = _frames(replay, "img", first, last, shape, white, scratch)
        return column

    used = {*_PUSHT, *(["img"] if images else [])}
    return _recording(replay, features, carried, used, columns, fps or FPS, task or TASK, ROBOT_TYPE)


def plain_recording(
    replay: Replay, *, mapping: Sequence[tuple[str, str]], video: bool, white: float | None, fps: int, task: str
) -> Recording:
    """Any buffer: (source key, feature) pairs, several numbers of one feature end to end in the order given."""
    carried: dict[str, list[str]] = {}
    for key, feature in mapping:
        shape, _ = replay.header(key)
        check_feature(feature, len(shape) == 4, replay.where(key))
        carried.setdefault(feature, []).append(key)
    features: dict[str, dict[str, Any]] = {}
    whites: dict[str, float] = {}
    for feature, keys in carried.items():
        if feature.startswith("observation.image"):
            if len(keys) > 1:
                raise ValueError(f"{replay.source}: {keys} cannot all become {feature!r}; one camera, one feature")
            shape = picture_shape(*replay.header(keys[0]), replay.where(keys[0]))
            features[feature] = picture_feature(shape, video)
            whites[feature] = _white(replay, keys[0], white)
        else:
            widths = {key: width_of(*replay.header(key), replay.where(key)) for key in keys}
            features[feature] = number_feature([name for key in keys for name in names_of(key, widths[key])])
    readers = {
        key: replay.reader(key)
        for name, keys in carried.items()
        if not name.startswith("observation.image")
        for key in keys
    }

    def columns(first: int, last: int, scratch: Path) -> Columns:
        column: Columns = {}
        for feature, keys in carried.items():
            if feature.startswith("observation.image"):
                shape = features[feature]["shape"]
                column[feature] = _frames(replay, keys[0], first, last, shape, whites[feature], scratch)
            else:
                parts = [numbers(readers[k](first, last), f"{replay.where(k)} (from row {first})") for k in keys]
                column[feature] = np.concatenate(parts, axis=1)
        return column

    return _recording(replay, features, carried, {key for key, _ in mapping}, columns, fps, task, None)


def _white(replay: Replay, key: str, white: float | None) -> float:
    """What white is in pictures of floating point: `white`, or 255 or 1 as the first pictures suggest."""
    shape, dtype = replay.header(key)
    if white is not None or dtype == np.uint8:
        return 255.0 if white is None else white
    return 255.0 if replay.block(key, 0, min(shape[0], BLOCK)).max() > 1 else 1.0


def _frames(replay: Replay, key: str, first: int, last: int, shape: Any, white: float, scratch: Path) -> np.ndarray:
    def block(start: int, stop: int) -> np.ndarray:
        where = f"{replay.where(key)} (from row {first + start})"
        return pictures(replay.block(key, first + start, first + stop), where, white)

    return gather(last - first, shape, block, scratch)


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
