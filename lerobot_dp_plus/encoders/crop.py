"""One window per sample: random while training, centred otherwise."""

from typing import NamedTuple

import torch
from torch import Tensor


class Crop(NamedTuple):
    """How much of a picture is seen.

    Args:
        ratio: side of the crop over side of the picture.
        shape: (height, width) in pixels; overrides `ratio`.
    """

    ratio: float = 1.0
    shape: tuple[int, int] | None = None

    def size(self, size: tuple[int, ...]) -> tuple[int, int]:
        """(height, width) of the crop of a picture of `size` (H, W)."""
        if self.shape is not None:
            return int(self.shape[0]), int(self.shape[1])
        return int(size[0] * self.ratio), int(size[1] * self.ratio)


def random_crop(images: Tensor, height: int, width: int) -> Tensor:
    """(B, T_o, 3, H, W) -> (B, T_o, 3, height, width), offsets uniform and independent between samples.

    All steps of one sample share their offset, because a crop that jumps from frame to frame would look like camera
    motion. Samples have different offsets: one offset for the whole batch would make the augmentation as coarse as the
    batch is large.
    """
    batch, steps, channels, full_height, full_width = images.shape
    device = images.device
    top = torch.randint(full_height - height + 1, (batch, 1, 1), device=device)
    left = torch.randint(full_width - width + 1, (batch, 1, 1), device=device)
    sample = torch.arange(batch, device=device)[:, None, None]
    rows = top + torch.arange(height, device=device)[:, None]  # (B, height, 1)
    columns = left + torch.arange(width, device=device)  # (B, 1, width)
    windows = images.flatten(1, 2)[sample, :, rows, columns]  # (B, height, width, T_o·3)
    return windows.permute(0, 3, 1, 2).reshape(batch, steps, channels, height, width)


def centre_crop(images: Tensor, height: int, width: int) -> Tensor:
    """(..., H, W) -> (..., height, width), a view; an odd remainder goes to the bottom and right."""
    top, left = (images.shape[-2] - height) // 2, (images.shape[-1] - width) // 2
    return images[..., top : top + height, left : left + width]
