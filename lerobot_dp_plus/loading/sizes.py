"""Which cameras of a dataset are held smaller than they were recorded, because the policy sees them so."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from lerobot.datasets import LeRobotDataset
from lerobot.utils.feature_utils import dataset_to_policy_features
from torch import Tensor

from lerobot_dp_plus.encoders import shrunk
from lerobot_dp_plus.host_hooks import is_ours
from lerobot_dp_plus.loading.columns import NotInMemory

logger = logging.getLogger(__name__)

#: The (height, width) that pictures of a camera are held at, under the dataset's name for it.
Sizes = Mapping[str, tuple[int, int]]
AS_RECORDED: Sizes = {}


def held_sizes(cfg: Any, host: LeRobotDataset) -> dict[str, tuple[int, int]]:
    """The sizes of the cameras that the policy of a training's config shrinks; none for policies of other packages.

    LeRobot's image transforms see whole pictures, so that what they make of them stays what LeRobot's loader gives. The
    policy's preprocessor shrinks them then.

    Raises:
        ValueError: `image_encoder.resize` does not fit the cameras; by name.
    """
    policy = getattr(cfg, "policy", None)
    if policy is None or not is_ours(policy):
        return {}
    recorded, seen = recorded_cameras(host), seen_cameras(cfg, host)
    called = dict(getattr(cfg, "rename_map", None) or {})
    shapes = {key: seen[called.get(key, key)] for key in recorded if called.get(key, key) in seen}
    smaller = {key: shape[-2:] for key, shape in shapes.items() if shape[-2:] != recorded[key][-2:]}
    if smaller and host.image_transforms is not None:
        logger.info(
            "data: dataset.image_transforms see whole pictures, so these are held whole; --policy.augmentation.type=color_jitter "
            "works on those that the policy sees"
        )
        return {}
    return {key: (height, width) for key, (height, width) in smaller.items()}


def recorded_cameras(host: LeRobotDataset) -> dict[str, tuple[int, ...]]:
    """The shape (C, H, W) of a dataset's cameras, under its own names."""
    features = {key: host.meta.features[key] for key in host.meta.camera_keys}
    return {key: tuple(feature.shape) for key, feature in dataset_to_policy_features(features).items()}


def seen_cameras(cfg: Any, host: LeRobotDataset) -> dict[str, tuple[int, ...]]:
    """The shape (C, h, w) at which the policy, one of ours, sees each of the cameras that it reads, under its own names.

    Raises:
        ValueError: `image_encoder.resize` does not fit the cameras; by name.
    """
    called = dict(getattr(cfg, "rename_map", None) or {})
    shapes = {called.get(key, key): shape for key, shape in recorded_cameras(host).items()}
    read = set(cfg.policy.input_features or {}) or set(shapes)
    return cfg.policy.image_encoder.seen({key: shape for key, shape in shapes.items() if key in read})


def at_size(frames: Iterator[Tensor], key: str, sizes: Sizes, recorded: tuple[int, ...]) -> Iterator[Tensor]:
    """The frames (C, H, W) of a camera, shrunk if it has a size; `recorded` is the shape that its dataset states.

    Raises:
        NotInMemory: a frame is of another size than the dataset states.
    """
    if key not in sizes:
        yield from frames
        return
    for frame in frames:
        if sorted(frame.shape) != sorted(recorded):
            raise NotInMemory(f"frames of {key!r} are {tuple(frame.shape)}, and the dataset states {recorded}")
        yield shrunk(frame, sizes[key])
