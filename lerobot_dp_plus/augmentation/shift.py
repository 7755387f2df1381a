"""The camera a little elsewhere: pictures are moved, and with them all that says where something is in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lerobot_dp_plus.augmentation.base import ACTION, Augmentation
from lerobot_dp_plus.augmentation.none import NoAugmentation
from lerobot_dp_plus.augmentation.pusht_mirror import PushTMirror

STATE, ENVIRONMENT_STATE = "observation.state", "observation.environment_state"
MIRRORS: dict[str, Augmentation] = {"none": NoAugmentation(), "pusht": PushTMirror()}


@Augmentation.register_subclass("shift")
@dataclass(frozen=True)
class Shift(Augmentation):
    """I(u) → I(u − d), p → p + V d: d whole pixels, even over ±share of the picture's side, V the units of a pixel.

    Random shifts of pictures are those of DrQ, arXiv 2004.13649. There actions stay as they are, which is right where they
    do not say places. Here what is done moves along, which is exact where picture, states and actions share coordinates, as
    in PushT and `blocks`. What comes in at an edge repeats the border. All frames of a sample are moved alike.
    It is for policies that see the scene in the picture alone. An outcome model learns from measured states where episodes
    end, and a goal that is moved about would have no place there. Cost: one gather of the pictures, no network call.

    Attributes:
        share: the largest shift, over the picture's side, in [0, 0.25].
        view: the coordinates at the picture's left, right, top and bottom edge.
        mirror: what is done to the moved sample: `pusht` mirrors half of them, as `pusht_mirror` does; or `none`.
    """

    share: float = 0.04
    view: tuple[float, float, float, float] = (0.0, 512.0, 0.0, 512.0)
    mirror: str = "none"

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 0.25:
            raise ValueError(f"augmentation.share={self.share} must be in [0, 0.25]")
        left, right, top, bottom = self.view
        if left == right or top == bottom:
            raise ValueError(f"augmentation.view={list(self.view)}: left and right, and top and bottom, must differ")
        if self.mirror not in MIRRORS:
            raise ValueError(f"augmentation.mirror={self.mirror!r}: legal are {', '.join(MIRRORS)}")

    def check(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        cameras = [key for key, shape in shapes.items() if len(shape) == 3]
        if len(cameras) != 1:
            raise ValueError(
                f"augmentation.type=shift: there are {len(cameras)} cameras among {sorted(shapes)}, and places are shown by one; "
                "legal is 'color_jitter' or 'none'"
            )
        for key, shape in shapes.items():
            if key in (STATE, ACTION) and shape[0] < 2:
                raise ValueError(
                    f"augmentation.type=shift: {key} has shape {shape}; its first two numbers must be a place"
                )
            if key == ENVIRONMENT_STATE and shape[0] % 2:
                raise ValueError(f"augmentation.type=shift: {key} has shape {shape}; must be places, two numbers each")
        MIRRORS[self.mirror].check(shapes)

    def apply(self, sample: Mapping[str, Tensor]) -> dict[str, Tensor]:
        (camera,) = [key for key, value in sample.items() if _is_image(value)]
        height, width = sample[camera].shape[-2:]
        most = torch.tensor([int(self.share * width), int(self.share * height)])
        count = len(sample[camera])
        pixels = (torch.rand(count, 2) * (2 * most + 1)).long().clamp(max=2 * most) - most  # (B, 2)
        units = pixels * self._span() / torch.tensor([width, height])
        moved = {key: self._placed(key, value, units) for key, value in sample.items()}
        moved[camera] = moved_by(sample[camera], pixels)
        return MIRRORS[self.mirror].apply(moved)

    def widen(self, statistics: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        widened = {key: dict(value) for key, value in statistics.items()}
        far = (self.share * self._span().abs()).numpy()
        for key, value in widened.items():
            if key in (STATE, ACTION, ENVIRONMENT_STATE) and "min" in value and "max" in value:
                room = np.zeros(len(value["min"]))
                room[: self._places(key, len(room))] = np.resize(far, self._places(key, len(room)))
                value["min"], value["max"] = np.asarray(value["min"]) - room, np.asarray(value["max"]) + room
        return MIRRORS[self.mirror].widen(widened)

    def _span(self) -> Tensor:
        left, right, top, bottom = self.view
        return torch.tensor([right - left, bottom - top])

    def _places(self, key: str, width: int) -> int:
        """How many of a feature's first numbers are places."""
        return width if key == ENVIRONMENT_STATE else 2

    def _placed(self, key: str, value: Tensor, by: Tensor) -> Tensor:
        """Places (B, ..., D) moved by (B, 2); other features as they are."""
        if key not in (STATE, ACTION, ENVIRONMENT_STATE):
            return value
        count = self._places(key, value.shape[-1])
        room = value.new_zeros(len(value), value.shape[-1])
        room[:, :count] = by.to(value).repeat(1, count // 2)
        return value + room.reshape(len(value), *(1,) * (value.dim() - 2), -1)


def moved_by(pictures: Tensor, pixels: Tensor) -> Tensor:
    """Pictures (B, ..., H, W), each moved by whole pixels (B, 2) to the right and down; borders go on."""
    height, width = pictures.shape[-2:]
    pixels = pixels.to(pictures.device)
    columns = (torch.arange(width, device=pixels.device) - pixels[:, :1]).clamp(0, width - 1)  # (B, W)
    rows = (torch.arange(height, device=pixels.device) - pixels[:, 1:]).clamp(0, height - 1)
    flat = pictures.flatten(1, -3)  # (B, F, H, W)
    return (
        flat[torch.arange(len(flat))[:, None, None], :, rows[:, :, None], columns[:, None]]
        .movedim(-1, 1)
        .reshape(pictures.shape)
    )


def _is_image(value: Tensor) -> bool:
    return value.dim() >= 4 and value.shape[-3] == 3 and value.is_floating_point()
