"""The model of a picture with several things: layers, each a rigid thing with a pose of its own.

    Î = robot(s) over thing_K(p_K) over … over thing_1(p_1) over background

What is drawn under a thing and what is drawn over it are pictures of their own, so that a single thing is searched for and
refined as if it were alone (`searching.py`, `refining.py`), with the others where they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lerobot_dp_plus.sprites.placing import over, placed
from lerobot_dp_plus.sprites.sprite import Patch, Pose

#: A place at which a thing is out of the picture.
NOWHERE = 1e4


@dataclass(frozen=True)
class Among:
    """One thing among others: what a search asks a sprite for.

    Args:
        thing: its look.
        size: (h, w) of the picture.
        behind: what is drawn under it, (B, 3, h, w).
        above: what is drawn over it, (B, 4, h, w); None if nothing is.
    """

    thing: Patch
    size: tuple[int, int]
    behind: Tensor
    above: Tensor | None

    def front(self, robots: Tensor | None) -> Tensor | None:
        """What is drawn over it, the robot too, wherever that was."""
        return self.above


class Layers(nn.Module):
    """Poses of K things to pictures; the last thing is in front of the others.

    Args:
        background: (3, h, w), the picture without things and robot.
        things, robot: where their looks start from; None for a robot that is not in sight.
    """

    background: Tensor

    def __init__(self, background: Tensor, things: Sequence[Patch], robot: Patch | None):
        super().__init__()
        self.register_buffer("background", background)
        self.things, self.robot = nn.ModuleList(things), robot

    def __len__(self) -> int:
        return len(self.things)

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) of the picture."""
        return self.background.shape[-2], self.background.shape[-1]

    def look(self, number: int) -> Patch:
        """The look of a thing."""
        thing = self.things[number]
        assert isinstance(thing, Patch)
        return thing

    def layer(self, number: int, pose: Pose) -> Tensor:
        """A thing at poses on an empty picture, (B, 4, h, w)."""
        look = self.look(number)
        return placed(look(), pose.place, pose.angle, look.side, self.size)

    def forward(self, poses: Sequence[Pose], robots: Tensor | None) -> Tensor:
        """Pictures (B, 3, h, w) of the things at their poses and of the robot at places (B, 2)."""
        picture = self.background
        for number, pose in enumerate(poses):
            picture = over(self.layer(number, pose), picture)
        front = self._robots(robots)
        return picture if front is None else over(front, picture)

    def among(self, number: int, poses: Sequence[Pose], robots: Tensor | None) -> Among:
        """A thing with the others at their poses."""
        behind = self.background.expand(len(poses[0].place), -1, -1, -1)
        for below in range(number):
            behind = over(self.layer(below, poses[below]), behind)
        above = self._robots(robots)
        for higher in reversed(range(number + 1, len(self))):
            layer = self.layer(higher, poses[higher])
            above = layer if above is None else above + (1 - above[:, 3:]) * layer
        return Among(self.look(number), self.size, behind, above)

    def nowhere(self, count: int) -> list[Pose]:
        """Poses of all things in `count` pictures in which none of them is seen."""
        return [Pose(torch.full((count, 2), NOWHERE), torch.zeros(count)) for _ in self.things]

    def without(self, number: int, poses: Sequence[Pose], robots: Tensor | None) -> Tensor:
        """Pictures in which a thing is left out."""
        left = list(poses)
        left[number] = self.nowhere(len(poses[0].place))[number]
        return self(left, robots)

    def _robots(self, robots: Tensor | None) -> Tensor | None:
        if self.robot is None or robots is None:
            return None
        return placed(self.robot(), robots, torch.zeros_like(robots[:, 0]), self.robot.side, self.size)
