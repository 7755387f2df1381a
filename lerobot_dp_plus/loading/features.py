"""Whether what a frozen image encoder sees of a frame can be kept for a whole training, and the log line that says so."""

import logging
import math
from collections.abc import Mapping
from typing import Any

from lerobot.datasets import LeRobotDataset

from lerobot_dp_plus.augmentation import Augmentation
from lerobot_dp_plus.encoders import ImageEncoderConfig
from lerobot_dp_plus.encoders.resnet import map_shape
from lerobot_dp_plus.host_hooks import is_ours
from lerobot_dp_plus.loading.sizes import seen_cameras

logger = logging.getLogger(__name__)


def room_for_features(cfg: Any, dataset: LeRobotDataset, free_bytes: int) -> int:
    """The bytes that features of frozen trunks may take in the training of this config; 0 where they cannot be kept.

    Args:
        cfg: LeRobot's configuration of a training.
        dataset: what it draws from.
        free_bytes: what the frames leave of the memory limit.
    """
    policy = getattr(cfg, "policy", None)
    if policy is None or not is_ours(policy) or not getattr(policy.image_encoder, "frozen", False):
        return 0
    cameras = seen_cameras(cfg, dataset)
    if reason := changing(cfg, cameras):
        logger.info("features: the frozen trunk looks at every picture anew, because %s", reason)
        return 0
    if free_bytes <= 0:
        logger.info("features: the frozen trunk looks at every picture anew, because memory_limit_gb leaves no room")
        return 0
    each = {key: 4 * math.prod(map_shape(shape[-2:])) for key, shape in cameras.items()}
    total = sum(each.values()) * dataset.num_frames * (policy.augmentation.pictures_of_one or 1)
    logger.info(
        "features: the frozen trunk looks at a picture once; %s bytes a frame, %.1f MiB of all frames, %.1f MiB are free for them%s",
        ", ".join(f"{key} {size:,}" for key, size in each.items()),
        *(total / 2**20, free_bytes / 2**20),
        "" if total <= free_bytes else "; the rest is looked at anew, memory_limit_gb=… gives more",
    )
    return free_bytes


def changing(cfg: Any, cameras: Mapping[str, tuple[int, ...]]) -> str | None:
    """Why a frame of a camera, (3, H, W), is another picture each time it is drawn; None where it is the same one.

    The reason names the field, its value and the way out. It completes the sentence "…, because ".
    """
    encoder: ImageEncoderConfig = cfg.policy.image_encoder
    crops = [encoder.crop.size(shape[-2:]) != shape[-2:] for shape in cameras.values()]
    if any(crops):
        field = "crop_ratio" if encoder.crop_shape is None else "crop_shape"
        return (
            f"image_encoder.{field}={getattr(encoder, field)} cuts another part out each time; image_encoder.crop_ratio=1 keeps "
            "pictures whole"
        )
    if cfg.policy.augmentation.pictures_of_one is None:
        chosen = Augmentation.get_choice_name(type(cfg.policy.augmentation))
        return f"augmentation.type={chosen} makes another picture of it each time; augmentation.type=none does not"
    if getattr(getattr(cfg.dataset, "image_transforms", None), "enable", False):
        return "dataset.image_transforms.enable=true makes another picture of it each time; false does not"
    return None


def say_kept(looked: int, computed: int, nbytes: int) -> None:
    """Log what the keeping has saved, if anything was looked at."""
    if looked:
        logger.info(
            "features: of %s pictures the frozen trunk looked at %s; %.1f MiB were kept",
            *(f"{looked:,}", f"{computed:,}", nbytes / 2**20),
        )
