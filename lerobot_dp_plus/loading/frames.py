"""Every image of a camera, decoded once with LeRobot's own decoders, as uint8 tensors (C, H, W) one after another."""

import math
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import torch
from lerobot.datasets import LeRobotDataset
from lerobot.datasets.video_utils import decode_video_frames
from lerobot.utils.feature_utils import dataset_to_policy_features
from torch import Tensor
from tqdm import tqdm

from lerobot_dp_plus.loading.columns import NotInMemory
from lerobot_dp_plus.loading.sizes import AS_RECORDED, Sizes

# Frames asked of a video at a time: bounds what a decoder holds besides the result.
VIDEO_CHUNK = 128


def frame_bytes(dataset: LeRobotDataset, sizes: Sizes = AS_RECORDED) -> int:
    """Bytes that all decoded frames of the selected episodes take, from the metadata alone."""
    return sum(camera_bytes(dataset, key, sizes.get(key)) for key in dataset.meta.camera_keys)


def camera_bytes(dataset: LeRobotDataset, key: str, size: tuple[int, int] | None = None) -> int:
    """Bytes that the decoded frames of one camera take, shrunk to `size` or whole, from the metadata alone."""
    shape = dataset_to_policy_features({key: dataset.meta.features[key]})[key].shape  # (C, H, W)
    return math.prod(shape if size is None else (shape[0], *size)) * len(dataset)


def image_frames(dataset: LeRobotDataset, key: str, column: pa.ChunkedArray) -> Iterator[Tensor]:
    """The frames of a camera stored as images in the table.

    Raises:
        NotInMemory: the images are not 8-bit.
    """
    feature = dataset.hf_dataset.features[key]
    return (_channels_first(key, feature.decode_example(value.as_py())) for value in column)


def video_frames(dataset: LeRobotDataset, key: str, episode_index: Tensor, timestamp: Tensor) -> Iterator[Tensor]:
    """The frames of a camera stored as video.

    Args:
        episode_index: (N,) episode of every row; the rows of an episode are neighbours.
        timestamp: (N,) seconds since the start of the episode.
    """
    episodes, counts = torch.unique_consecutive(episode_index, return_counts=True)
    for episode, seconds in zip(episodes.tolist(), timestamp.split(counts.tolist()), strict=True):
        path = dataset.root / dataset.meta.get_video_file_path(episode, key)
        first = dataset.meta.episodes[episode][f"videos/{key}/from_timestamp"]
        for chunk in seconds.split(VIDEO_CHUNK):
            # The sum is formed in Python floats, as LeRobot forms it, so that ties fall on the same frame.
            wanted = [first + second for second in chunk.tolist()]
            yield from decode_video_frames(path, wanted, dataset.tolerance_s, dataset._video_backend, return_uint8=True)


def watched(frames: Iterator[Tensor], key: str, total: int) -> Iterator[Tensor]:
    """The same frames, behind a progress bar, because this is the one slow step.

    Raises:
        NotInMemory: there are none, or they are not all of one size.
    """
    first: Tensor | None = None
    for frame in tqdm(frames, total=total, desc=f"decoding {key}", unit="frame"):
        first = frame if first is None else first
        if frame.shape != first.shape:
            raise NotInMemory(f"frames of {key!r} differ in size: {tuple(frame.shape)} and {tuple(first.shape)}")
        yield frame
    if first is None:
        raise NotInMemory(f"{key!r} has no frames")


def stack(frames: Iterator[Tensor], total: int) -> Tensor:
    """`total` frames, at least one, in one tensor (N, C, H, W) that is allocated once."""
    first = next(frames)
    stacked = torch.empty(total, *first.shape, dtype=torch.uint8)
    stacked[0] = first
    for position, frame in enumerate(frames, start=1):
        stacked[position] = frame
    return stacked


def _channels_first(key: str, image) -> Tensor:
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8 or image.mode not in ("L", "RGB", "RGBA"):
        raise NotInMemory(f"images of {key!r} have mode {image.mode!r}; L, RGB and RGBA can be held")
    return torch.from_numpy(pixels.reshape(image.height, image.width, -1).transpose(2, 0, 1).copy())
