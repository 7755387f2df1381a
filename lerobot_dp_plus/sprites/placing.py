"""A small picture with transparency, placed over a larger one: turned, shifted, never stretched.

Places are (x, y) in pixels of the large picture, measured from its top left corner: the centre of the first pixel is at
(½, ½). Angles are in radians from the x-axis towards the y-axis, so clockwise where y points down.
"""

import torch
from torch import Tensor, nn


def grid(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """The centres of all pixels, (H, W, 2)."""
    down, across = torch.arange(height, device=device) + 0.5, torch.arange(width, device=device) + 0.5
    return torch.stack(torch.meshgrid(down, across, indexing="ij")[::-1], -1)


def turned_back(vector: Tensor, angle: Tensor) -> Tensor:
    """R(−angle) · vector: (..., 2) in the picture -> (..., 2) in the frame of a thing that is turned by `angle` (...)."""
    cos, sin, (x, y) = angle.cos(), angle.sin(), vector.unbind(-1)
    return torch.stack([cos * x + sin * y, cos * y - sin * x], -1)


def turned(vector: Tensor, angle: Tensor) -> Tensor:
    """R(angle) · vector: the inverse of `turned_back`."""
    return turned_back(vector, -angle)


def cut(pictures: Tensor, place: Tensor, angle: Tensor, side: float, size: int) -> Tensor:
    """Squares cut out of pictures (B, C, H, W), (B, C, size, size): `side` pixels wide, around place (B, 2), turned by angle (B,).

    Beyond the picture its border goes on.
    """
    offsets = (grid(size, size, pictures.device) / size - 0.5) * side  # (size, size, 2)
    points = place[:, None, None] + turned(offsets.expand(len(place), -1, -1, -1), angle[:, None, None])
    scale = torch.tensor(pictures.shape[:-3:-1], device=pictures.device, dtype=points.dtype)  # (W, H)
    return nn.functional.grid_sample(pictures, 2 * points / scale - 1, align_corners=False, padding_mode="border")


def placed(patch: Tensor, place: Tensor, angle: Tensor, side: float, size: tuple[int, int]) -> Tensor:
    """A patch (4, S, S) of premultiplied colours and opacity, placed on an empty picture: (B, 4, H, W).

    p(u) = patch(R(−θ)(u − place) · S/side), bilinear, and nothing beyond its border.

    Args:
        place: (B, 2) where its centre goes.
        angle: (B,) by how much it is turned.
        side: its width in pixels of the large picture.
        size: H, W.
    """
    offsets = grid(*size, device=place.device) - place[:, None, None]  # (B, H, W, 2)
    points = turned_back(offsets, angle[:, None, None]) / (side / 2)
    patches = patch.expand(len(place), -1, -1, -1)
    return nn.functional.grid_sample(patches, points, align_corners=False, padding_mode="zeros")


def over(front: Tensor, back: Tensor) -> Tensor:
    """front + (1 − α) · back: premultiplied pictures (B, 4, H, W) over opaque ones (..., 3, H, W)."""
    return front[:, :3] + (1 - front[:, 3:]) * back
