"""Light and colour of cameras, on whatever device the batch is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lerobot_dp_plus.augmentation.base import Augmentation
from lerobot_dp_plus.notation import per_sample

#: Share of red, green and blue in what the eye calls light (ITU-R BT.601).
LUMA = (0.2989, 0.587, 0.114)


@Augmentation.register_subclass("color_jitter")
@dataclass(frozen=True)
class ColorJitter(Augmentation):
    """image → hue(saturation(contrast(brightness(image)))), with factors drawn anew for every sample and camera.

        brightness  b·x                         b ~ U(1 ± brightness)
        contrast    c·x + (1 − c)·mean luma     c ~ U(1 ± contrast)
        saturation  s·x + (1 − s)·luma          s ~ U(1 ± saturation)
        hue         x turned by h full turns about the grey axis of RGB, h ~ U(± hue)

    each clipped to [0, 1]. The first three are torchvision's operations of the same names, in one fixed order; hue is a
    rotation, not torchvision's way through HSV: it keeps the sum of the channels and costs one 3×3 product. All frames
    of a sample share their factors, so that no light flickers that the policy could read as motion. States and actions
    stay as they are; images must be in [0, 1]. No network calls.

    Attributes:
        brightness, contrast, saturation: largest relative change, in [0, 1); 0 leaves it alone.
        hue: largest share of a full turn, in [0, 0.5].
    """

    brightness: float = 0.2
    contrast: float = 0.2
    saturation: float = 0.2
    hue: float = 0.02

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "saturation"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"augmentation.{name}={getattr(self, name)} must be in [0, 1)")
        if not 0 <= self.hue <= 0.5:
            raise ValueError(f"augmentation.hue={self.hue} must be in [0, 0.5]")

    def check(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        cameras = {key: shape for key, shape in shapes.items() if len(shape) == 3}
        if not cameras:
            raise ValueError(f"augmentation.type=color_jitter: none of {sorted(shapes)} is an image; legal is 'none'")
        for key, shape in cameras.items():
            if shape[0] != 3:
                raise ValueError(f"augmentation.type=color_jitter: {key} has shape {shape}; must be (3, H, W)")

    def apply(self, sample: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {key: self._jitter(value) if _is_image(value) else value for key, value in sample.items()}

    def widen(self, statistics: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """Images may reach black and white; their mean and spread are left, the jitter is symmetric about them."""
        widened = {key: dict(value) for key, value in statistics.items()}
        for value in widened.values():
            if np.ndim(value.get("min", 0)) == np.ndim(value.get("max", 0)) == 3:  # (3, 1, 1): a camera's
                value["min"], value["max"] = (np.full_like(np.asarray(value[k], float), v) for k, v in _WHOLE.items())
        return widened

    def _jitter(self, image: Tensor) -> Tensor:
        """(B, ..., 3, H, W) in [0, 1] -> the same shape, in [0, 1]."""

        def factor(width: float, centre: float = 1.0) -> Tensor:
            return per_sample(centre + width * (2 * torch.rand(image.shape[0], device=image.device) - 1), image)

        if self.brightness:
            image = (image * factor(self.brightness)).clamp(0, 1)
        if self.contrast:
            image = mix(image, luma(image).mean((-3, -2, -1), keepdim=True), factor(self.contrast))
        if self.saturation:
            image = mix(image, luma(image), factor(self.saturation))
        if self.hue:
            image = turn(image, factor(self.hue, centre=0.0))
        return image


_WHOLE = {"min": 0.0, "max": 1.0}


def _is_image(value: Tensor) -> bool:
    """(B, ..., 3, H, W); what else travels with a sample is flatter."""
    return value.dim() >= 4 and value.shape[-3] == 3 and value.is_floating_point()


def luma(image: Tensor) -> Tensor:
    """(..., 3, H, W) -> (..., 1, H, W)."""
    red, green, blue = image.unbind(-3)
    return (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue).unsqueeze(-3)


def mix(image: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """share·image + (1 − share)·other, clipped to [0, 1]; a share above 1 leads away from `other`."""
    return torch.lerp(other.expand_as(image), image, share).clamp(0, 1)


def turn(image: Tensor, turns: Tensor) -> Tensor:
    """Colours turned about the grey axis, `turns` broadcast against (..., 3, H, W), clipped to [0, 1].

    Rodrigues about (1, 1, 1)/√3: each channel is a·itself + b·the next + c·the one after; a third of a turn makes red
    green.
    """
    angle = 2 * math.pi * turns
    cos, sin = angle.cos() / 3, angle.sin() / math.sqrt(3)
    same, following, last = 1 / 3 + 2 * cos, 1 / 3 - cos - sin, 1 / 3 - cos + sin
    turned = same * image + following * image.roll(-1, -3) + last * image.roll(1, -3)
    return turned.clamp(0, 1)
