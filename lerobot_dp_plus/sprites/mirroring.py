"""The mirror image of pictures and of places in them, where a task has one."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lerobot_dp_plus.augmentation import Symmetry

STATE, PICTURE = "observation.state", "observation.image"


@dataclass(frozen=True)
class View:
    """Where a picture shows which states: x from left to right, y from top to bottom, evenly.

    Args:
        left, right, top, bottom: the coordinates at the picture's edges.
    """

    left: float
    right: float
    top: float
    bottom: float

    def __post_init__(self) -> None:
        if self.left == self.right or self.top == self.bottom:
            raise ValueError(
                f"view = {self.left:g} {self.right:g} {self.top:g} {self.bottom:g}: the edges of the picture must differ, left "
                "from right and top from bottom; PushT's are 0 512 0 512"
            )

    def pixels(self, points: Tensor, size: tuple[int, int]) -> Tensor:
        """Points (..., 2) in the units of states -> pixels of a picture of `size` (H, W)."""
        start, span = self._start_span(points)
        return (points - start) / span * points.new_tensor([size[1], size[0]])

    def points(self, pixels: Tensor, size: tuple[int, int]) -> Tensor:
        """The inverse of `pixels`."""
        start, span = self._start_span(pixels)
        return pixels / pixels.new_tensor([size[1], size[0]]) * span + start

    def _start_span(self, like: Tensor) -> tuple[Tensor, Tensor]:
        start = like.new_tensor([self.left, self.top])
        return start, like.new_tensor([self.right, self.bottom]) - start


@dataclass(frozen=True)
class Mirror:
    """A task's mirror symmetry in pixels of a picture."""

    symmetry: Symmetry
    view: View

    def pictures(self, pictures: Tensor) -> Tensor:
        """Mirror images of pictures (B, 3, S, S)."""
        return self.symmetry.image({PICTURE: pictures})[PICTURE]

    def places(self, places: Tensor, size: tuple[int, int]) -> Tensor:
        """Where places (..., 2) in pixels are in the mirror image."""
        points = self.symmetry.image({STATE: self.view.points(places, size)})[STATE]
        return self.view.pixels(points, size)

    def directions(self, directions: Tensor, size: tuple[int, int]) -> Tensor:
        """What directions (..., 2) are in the mirror image."""
        return self.places(directions, size) - self.places(torch.zeros_like(directions), size)
