"""Light and colour of cameras, on whatever device the batch is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lerobot_dp_plus.augmentation.base import Augmentation

#: Share of red, green and blue in perceived brightness (ITU-R BT.601, torchvision's digits).
LUMA = (0.2989, 0.587, 0.114)


@Augmentation.register_subclass("color_jitter")
@dataclass(frozen=True)
class ColorJitter(Augmentation):
    """x → clip(H·S·(c·b·x + (1 − c)·b·m)): one affine map of colours for every sample and camera, then clipped to [0, 1].

        brightness  b·x                  b ~ U(1 ± brightness)
        contrast    c·x + (1 − c)·m      c ~ U(1 ± contrast), m the picture's mean luma
        saturation  S = s + (1 − s)·luma s ~ U(1 ± saturation)
        hue         H turns by h turns   h ~ U(± hue), about the grey axis of RGB

    The first three are torchvision's operations of the same names, in this order. They are clipped once at the end
    instead of after each. Hue is a rotation, which keeps the sum of the channels; torchvision goes through HSV instead.
    All frames of a sample share b, c, s and h. Otherwise the light would flicker, and the policy could read that as
    motion. States and actions stay as they are. Images must be in [0, 1]. Cost: one 3×3 product per pixel, no network
    call.

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
        """Images may reach black and white. Mean and spread are kept, because the jitter is symmetric about them."""
        widened = {key: dict(value) for key, value in statistics.items()}
        for value in widened.values():
            if np.ndim(value.get("min", 0)) == np.ndim(value.get("max", 0)) == 3:  # (3, 1, 1): a camera's
                value["min"], value["max"] = (np.full_like(np.asarray(value[k], float), v) for k, v in _WHOLE.items())
        return widened

    def _jitter(self, image: Tensor) -> Tensor:
        """(B, ..., 3, H, W) in [0, 1] -> the same shape, in [0, 1]."""

        def draw(width: float) -> Tensor:
            return width * (2 * torch.rand(image.shape[0], device=image.device) - 1)

        if not any((self.brightness, self.contrast, self.saturation, self.hue)):
            return image
        b, c, s = (1 + draw(width) for width in (self.brightness, self.contrast, self.saturation))
        colours = turn(draw(self.hue)) @ saturate(s) * (c * b)[:, None, None]  # (B, 3, 3)
        frames = image.unflatten(0, (-1, 1)).flatten(1, -4).flatten(-2)  # (B, F, 3, H·W)
        # Turning and saturating do not change grey, so the mean needs neither.
        mean = frames.mean(-1) @ torch.tensor(LUMA, device=image.device, dtype=image.dtype)  # (B, F)
        grey = ((1 - c) * b)[:, None] * mean
        jittered = torch.matmul(colours.to(image.dtype)[:, None], frames) + grey[..., None, None].to(image.dtype)
        return jittered.clamp_(0, 1).reshape(image.shape)


_WHOLE = {"min": 0.0, "max": 1.0}


def _is_image(value: Tensor) -> bool:
    """Whether it is (B, ..., 3, H, W). Other values of a sample have fewer axes."""
    return value.dim() >= 4 and value.shape[-3] == 3 and value.is_floating_point()


def saturate(share: Tensor) -> Tensor:
    """share·colour + (1 − share)·luma, (B,) -> (B, 3, 3); a share above 1 leads away from grey."""
    luma = torch.tensor(LUMA, device=share.device).expand(3, 3)  # every row
    identity = torch.eye(3, device=share.device)
    return luma + share[:, None, None] * (identity - luma)


def turn(turns: Tensor) -> Tensor:
    """Rotation of colours about the grey axis, (B,) -> (B, 3, 3); a third of a turn makes green of red.

    Rodrigues about (1, 1, 1)/√3: each channel becomes a·itself + b·the next + c·the one after.
    """
    angle = 2 * math.pi * turns
    cos, sin = angle.cos(), angle.sin() / math.sqrt(3)
    same, following, last = (1 + 2 * cos) / 3, (1 - cos) / 3 - sin, (1 - cos) / 3 + sin
    rows = [same, following, last, last, same, following, following, last, same]
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))
