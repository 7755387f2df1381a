"""The mirror symmetry of PushT."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from lerobot_dp_plus.augmentation.base import ACTION, Augmentation, Symmetry
from lerobot_dp_plus.notation import per_sample

ARENA = 512.0  # pixels
#: Where each keypoint of the T goes.
KEYPOINT_ORDER = (1, 0, 3, 2, 5, 4, 7, 6)
STATE, ENVIRONMENT_STATE = "observation.state", "observation.environment_state"


@Augmentation.register_subclass("pusht_mirror")
@dataclass(frozen=True)
class PushTMirror(Symmetry):
    """With probability ½: (x, y) → (512 − y, 512 − x), keypoints 0↔1 2↔3 4↔5 6↔7, images on the anti-diagonal.

    The mirror maps PushT's goal pose (256, 256, π/4) and the T onto themselves, so a mirrored demonstration is a
    demonstration. This is exact in the simulator's physics, except that its walls at 5 and 506 pixels map to 507 and
    6. In images it is exact except for anti-aliasing. Points are (x, y) in pixels. Images are square.
    """

    pictures_of_one: ClassVar[int | None] = 2

    def check(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        legal = {STATE: (2,), ENVIRONMENT_STATE: (16,), ACTION: (2,)}
        for key, shape in shapes.items():
            if key in legal:
                if shape != legal[key]:
                    raise ValueError(
                        f"augmentation.type=pusht_mirror: {key} has shape {shape}, PushT's is {legal[key]}"
                    )
            elif not (len(shape) == 3 and shape[1] == shape[2]):
                raise ValueError(f"augmentation.type=pusht_mirror: {key} of shape {shape} is no square image of PushT")

    def apply(self, sample: Mapping[str, Tensor]) -> dict[str, Tensor]:
        action = sample[ACTION]
        chosen = torch.rand(action.shape[0], device=action.device) < 0.5
        images = self.image(sample)
        return {
            key: torch.where(per_sample(chosen, value), images[key], value) if _is_mirrored(key, value) else value
            for key, value in sample.items()
        }

    def image(self, sample: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {key: mirror(key, value) if _is_mirrored(key, value) else value for key, value in sample.items()}

    def widen(self, statistics: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        widened = {key: dict(value) for key, value in statistics.items()}
        for key in (STATE, ENVIRONMENT_STATE, ACTION):
            if key in widened and "min" in widened[key] and "max" in widened[key]:
                low, high = (torch.as_tensor(np.asarray(widened[key][bound])) for bound in ("min", "max"))
                # A mirror image turns a largest coordinate into a smallest one.
                widened[key]["min"] = torch.minimum(low, mirror(key, high)).numpy()
                widened[key]["max"] = torch.maximum(high, mirror(key, low)).numpy()
        return widened


def _is_mirrored(key: str, value: Tensor) -> bool:
    """Points and images are mirrored. Other values of a sample, such as padding masks (B, H), are not."""
    return key in (STATE, ENVIRONMENT_STATE, ACTION) or value.dim() >= 4


def mirror(key: str, value: Tensor) -> Tensor:
    """Mirror image of a feature: points (..., 2·K) in pixels or images (..., 3, S, S)."""
    if key not in (STATE, ENVIRONMENT_STATE, ACTION):
        return value.flip(-2, -1).transpose(-2, -1)
    points = ARENA - value.unflatten(-1, (-1, 2)).flip(-1)  # (..., K, 2)
    if key == ENVIRONMENT_STATE:
        points = points[..., KEYPOINT_ORDER, :]
    return points.flatten(-2)
