"""The model of a picture: a background, one rigid thing, the robot in front of it.

    Î = robot(s) over thing(x, y, θ) over background

The background is given: the median picture. The look of the thing and the look of the robot are learned, each a square of
colours with transparency. Where the robot is was measured. Where the thing is, is what is asked.
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from lerobot_dp_plus.sprites.placing import over, placed

#: Pixels along the side of a thing's look.
TEMPLATE = 32


class Pose(NamedTuple):
    """Where a thing is: place (B, 2) in pixels of the explained picture, and angle (B,) in radians."""

    place: Tensor
    angle: Tensor

    def rows(self, chosen: Tensor) -> "Pose":
        """Some of the poses."""
        return Pose(self.place[chosen], self.angle[chosen])

    def instead(self, other: "Pose", chosen: Tensor) -> "Pose":
        """The poses of `other` where `chosen` (B,)."""
        return Pose(torch.where(chosen[:, None], other.place, self.place), torch.where(chosen, other.angle, self.angle))


class Patch(nn.Module):
    """A square of colours with transparency, `side` pixels of the explained picture wide.

    Args:
        colours: (3, S, S) in 0 … 1.
        opacity: (S, S) in 0 … 1, kept off both ends, where it could not learn.
    """

    def __init__(self, colours: Tensor, opacity: Tensor, side: float):
        super().__init__()
        self.colours = nn.Parameter(colours.clone())
        self.logits = nn.Parameter(opacity.clamp(0.03, 0.97).logit())
        self.side = float(side)

    @property
    def opacity(self) -> Tensor:
        """α, (S, S)."""
        return self.logits.sigmoid()

    def forward(self) -> Tensor:
        """(4, S, S): colours times opacity, and opacity."""
        opacity = self.opacity[None]
        return torch.cat([self.colours * opacity, opacity])


class Drawn(Protocol):
    """What a pose is looked for with: a thing, and what is drawn in front of it."""

    @property
    def thing(self) -> Patch:
        """Its look."""

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) of the picture."""

    def front(self, robots: Tensor | None) -> Tensor | None:
        """What is in front, (B, 4, h, w), of the robot's places (B, 2) in pixels; None if nothing is."""


class Sprite(nn.Module):
    """Poses to pictures.

    Args:
        background: (3, h, w), the picture without thing and robot.
        thing, robot: where their look starts from; None for a robot that is not in sight.
    """

    background: Tensor

    def __init__(self, background: Tensor, thing: Patch, robot: Patch | None):
        super().__init__()
        self.register_buffer("background", background)
        self.thing, self.robot = thing, robot

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) of the picture."""
        return self.background.shape[-2], self.background.shape[-1]

    def front(self, robots: Tensor | None) -> Tensor | None:
        """The robot's layer (B, 4, h, w), of its places (B, 2) in pixels; None if it is not in sight."""
        if self.robot is None or robots is None:
            return None
        return placed(self.robot(), robots, torch.zeros_like(robots[:, 0]), self.robot.side, self.size)

    def forward(self, pose: Pose, robots: Tensor | None, background: Tensor | None = None) -> Tensor:
        """Pictures (B, 3, h, w) of the thing at poses and of the robot at places (B, 2).

        `background` (3, h, w) stands in for the model's own: that of mirrored pictures.
        """
        behind = self.background if background is None else background
        picture = over(placed(self.thing(), pose.place, pose.angle, self.thing.side, self.size), behind)
        front = self.front(robots)
        return picture if front is None else over(front, picture)


def angle_of(direction: Tensor) -> Tensor:
    """(..., 2) -> (...)."""
    return torch.atan2(direction[..., 1], direction[..., 0])


def direction_of(angle: Tensor) -> Tensor:
    """(...) -> (..., 2) of length one."""
    return torch.stack([angle.cos(), angle.sin()], -1)


def wrapped(angle: Tensor) -> Tensor:
    """The same angle in [−π, π)."""
    return torch.remainder(angle + torch.pi, 2 * torch.pi) - torch.pi
