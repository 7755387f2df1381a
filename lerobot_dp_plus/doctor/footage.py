"""A bounded sample of what the cameras saw: frames far apart in some episodes, and short stretches of neighbours.

Frames are decoded in order, never whole episodes. What is kept of a frame are means over areas, so that its
longer side has at most `SIDE`: what a codec changes in still pictures averages out.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow.dataset
import torch
from lerobot.datasets.video_utils import decode_video_frames
from lerobot.utils.constants import ACTION, OBS_STATE
from PIL import Image

from lerobot_dp_plus.doctor.recording import Recording
from lerobot_dp_plus.encoders import shrunk, size_for

#: Episodes that are looked at, frames far apart in each; episodes with a stretch, frames of a stretch.
EPISODES, FRAMES, STRETCHES, STRETCH = 12, 6, 4, 12
#: Pixels that are kept along the longer side.
SIDE = 96
#: A channel is clipped above and below.
HIGH, LOW = 251, 4
#: A robot that goes less of its usual range does not move.
MOVES = 0.01


@dataclass(frozen=True)
class Look:
    """Some frames of one camera in one episode.

    Args:
        camera: its key.
        episode: the episode's number.
        frames: (n,) which of its frames.
        pictures: (n, h, w, 3) bytes, made small.
        neighbours: whether the frames follow each other without a gap.
        moves: (n − 1,) whether the robot moves between each of them and the next.
        clipped: shares of pixels, before they were made small, that are clipped to white and to black.
    """

    camera: str
    episode: int
    frames: np.ndarray
    pictures: np.ndarray
    neighbours: bool
    moves: np.ndarray
    clipped: tuple[float, float]


def look(recording: Recording) -> list[Look]:
    """The sample of every camera.

    Raises:
        ValueError: a video cannot be decoded; naming camera and episode.
    """
    if recording.meta is None:
        return []
    count = len(recording.episodes)
    chosen = np.unique(np.linspace(0, count - 1, min(EPISODES, count)).round().astype(int)).tolist()
    motion = motion_of(recording)
    found = []
    for camera in recording.cameras:
        for order, position in enumerate(chosen):
            length = int(recording.lengths[position])
            wanted = [(np.unique(np.linspace(0, length - 1, min(FRAMES, length)).round().astype(int)), False)]
            if order < STRETCHES and length > STRETCH:
                rows = motion[recording.starts[position] : recording.stops[position]]
                busy = int(np.argmax(np.convolve(rows, np.ones(STRETCH), "valid")))
                wanted.append((np.arange(busy, busy + STRETCH), True))
            for frames, neighbours in wanted:
                pictures = _decode(recording, camera, position, frames.tolist(), neighbours)
                first = recording.starts[position]
                travelled = [motion[first + a + 1 : first + b + 1].sum() for a, b in pairwise(frames.tolist())]
                moves = np.array(travelled) > MOVES
                number = int(recording.episodes[position])
                found.append(Look(camera, number, frames, _small(pictures), neighbours, moves, clipped(pictures)))
    return found


def motion_of(recording: Recording) -> np.ndarray:
    """(N,): how far the robot moves to a row, as a share of its usual range, in the dimension that moves most."""
    key = next((key for key in (OBS_STATE, ACTION) if key in recording.columns), None)
    if key is None:
        return np.ones(len(recording))
    usual = recording.usual(key)
    return (np.abs(recording.steps(key)) / np.where(usual > 0, usual, np.inf)).max(1)


def _decode(recording: Recording, camera: str, position: int, frames: Sequence[int], neighbours: bool) -> np.ndarray:
    """Frames of an episode, (n, H, W, 3) bytes."""
    meta, number = recording.meta, int(recording.episodes[position])
    if camera in meta.image_keys:
        return _images(meta, camera, number, frames)
    path = meta.root / meta.get_video_file_path(number, camera)
    first = meta.episodes[number][f"videos/{camera}/from_timestamp"]
    times = [first + frame / recording.fps for frame in frames]
    try:
        # Far apart, each is sought by itself; what lies in between is not decoded.
        groups = [times] if neighbours else [[time] for time in times]
        parts = [decode_video_frames(path, each, 0.6 / recording.fps, "pyav", return_uint8=True) for each in groups]
    except Exception as error:
        raise ValueError(
            f"{camera} of episode {number} cannot be decoded ({path}): {' '.join(str(error).split())[:200]}"
        ) from error
    return np.concatenate([part.permute(0, 2, 3, 1).numpy() for part in parts])


def _images(meta: Any, camera: str, number: int, frames: Sequence[int]) -> np.ndarray:
    file = meta.root / meta.get_data_file_path(number)
    field = pyarrow.dataset.field
    rows = pyarrow.dataset.dataset(file).to_table(
        columns=["frame_index", camera],
        filter=(field("episode_index") == number) & field("frame_index").isin(list(frames)),
    )
    stored = [value["bytes"] or (meta.root / value["path"]).read_bytes() for value in rows[camera].to_pylist()]
    return np.stack([np.asarray(Image.open(io.BytesIO(each)).convert("RGB")) for each in stored])


def clipped(pictures: np.ndarray) -> tuple[float, float]:
    """The shares of pixels all of whose channels are as high, and as low, as a camera can tell."""
    return float((pictures.min(-1) >= HIGH).mean()), float((pictures.max(-1) <= LOW).mean())


def _small(pictures: np.ndarray) -> np.ndarray:
    """(n, H, W, 3) bytes with the longer side at most `SIDE`."""
    size = size_for(SIDE, "picture", pictures.shape[1:3])
    return shrunk(torch.from_numpy(pictures).movedim(-1, 1), size).movedim(1, -1).numpy()
