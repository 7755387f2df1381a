"""Every image of a camera, decoded once with LeRobot's own decoders and kept as one uint8 tensor (N, C, H, W)."""

import math
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import torch
from lerobot.datasets import LeRobotDataset
from lerobot.datasets.video_utils import decode_video_frames
from torch import Tensor
from tqdm import tqdm

from lerobot_dp_plus.loading.columns import NotInMemory

# Frames asked of a video at a time: bounds what a decoder holds besides the result.
VIDEO_CHUNK = 128


def frame_bytes(dataset: LeRobotDataset) -> int:
    """Bytes that all decoded frames of the selected episodes take, from the metadata alone."""
    pixels = sum(math.prod(dataset.meta.features[key]["shape"]) for key in dataset.meta.camera_keys)
    return pixels * len(dataset)


def decode_images(dataset: LeRobotDataset, key: str, column: pa.ChunkedArray) -> Tensor:
    """The frames of a camera stored as images in the table, (N, C, H, W) uint8.

    Raises:
        NotInMemory: the images are not 8-bit, or not all of one size.
    """
    feature = dataset.hf_dataset.features[key]
    images = (feature.decode_example(value.as_py()) for value in column)
    return _stack(key, (_channels_first(key, image) for image in images), len(column))


def decode_videos(dataset: LeRobotDataset, key: str, episode_index: Tensor, timestamp: Tensor) -> Tensor:
    """The frames of a camera stored as video, (N, C, H, W) uint8.

    Args:
        episode_index: (N,) episode of every row; the rows of an episode are neighbours.
        timestamp: (N,) seconds since the start of the episode.

    Raises:
        NotInMemory: the frames are not all of one size.
    """
    return _stack(key, _video_frames(dataset, key, episode_index, timestamp), len(timestamp))


def _video_frames(dataset: LeRobotDataset, key: str, episode_index: Tensor, timestamp: Tensor) -> Iterator[Tensor]:
    episodes, counts = torch.unique_consecutive(episode_index, return_counts=True)
    for episode, seconds in zip(episodes.tolist(), timestamp.split(counts.tolist()), strict=True):
        path = dataset.root / dataset.meta.get_video_file_path(episode, key)
        first = dataset.meta.episodes[episode][f"videos/{key}/from_timestamp"]
        for chunk in seconds.split(VIDEO_CHUNK):
            # The sum is formed in Python floats, as LeRobot forms it, so that ties fall on the same frame.
            wanted = [first + second for second in chunk.tolist()]
            yield from decode_video_frames(path, wanted, dataset.tolerance_s, dataset._video_backend, return_uint8=True)


def _channels_first(key: str, image) -> Tensor:
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8 or image.mode not in ("L", "RGB", "RGBA"):
        raise NotInMemory(f"images of {key!r} have mode {image.mode!r}; L, RGB and RGBA can be held")
    return torch.from_numpy(pixels.reshape(image.height, image.width, -1).transpose(2, 0, 1).copy())


def _stack(key: str, frames: Iterator[Tensor], total: int) -> Tensor:
    """Frames into one preallocated tensor; a progress bar, because this is the one slow step."""
    stacked: Tensor | None = None
    for position, frame in enumerate(tqdm(frames, total=total, desc=f"decoding {key}", unit="frame")):
        if stacked is None:
            stacked = torch.empty(total, *frame.shape, dtype=torch.uint8)
        if frame.shape != stacked.shape[1:]:
            raise NotInMemory(f"frames of {key!r} differ in size: {tuple(frame.shape)} and {tuple(stacked.shape[1:])}")
        stacked[position] = frame
    if stacked is None:
        raise NotInMemory(f"{key!r} has no frames")
    return stacked
