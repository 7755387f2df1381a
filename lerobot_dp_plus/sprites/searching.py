"""Poses of which nothing is known yet: the thing is drawn where something differs from the background, in many turns."""

import torch
from torch import Tensor

from lerobot_dp_plus.sprites.placing import over, placed
from lerobot_dp_plus.sprites.refining import refined
from lerobot_dp_plus.sprites.scene import Scene, centres, half
from lerobot_dp_plus.sprites.sprite import Drawn, Pose

#: Turns that are tried; those that are refined for a few steps before one is chosen.
TURNS, FEW, STEPS = 16, 2, 2


@torch.no_grad()
def turn_errors(
    sprite: Drawn, pose: Pose, pictures: Tensor, robots: Tensor | None, background: Tensor, turns: int
) -> Tensor:
    """Mean squared errors (B, K) of pictures in which the thing is turned by k/K of a whole turn, at half the size."""
    look, side = sprite.thing(), sprite.thing.side / 2
    front = sprite.front(robots)
    behind, target = half(background), half(pictures)
    front = None if front is None else half(front)
    size = (behind.shape[-2], behind.shape[-1])
    found = []
    for turn in range(turns):
        picture = over(placed(look, pose.place / 2, pose.angle + turn * 2 * torch.pi / turns, side, size), behind)
        picture = picture if front is None else over(front, picture)
        found.append((picture - target).square().mean((1, 2, 3)))
    return torch.stack(found, 1)


@torch.no_grad()
def found(
    sprite: Drawn, scene: Scene, pictures: Tensor, robots: Tensor | None, background: Tensor
) -> tuple[Pose, Tensor]:
    """Poses to start from, and the mean squared errors (B,) of their pictures."""
    place = centres(scene.foreground(pictures, robots, background))
    return found_at(sprite, place, pictures, robots, background)


@torch.no_grad()
def found_at(
    sprite: Drawn, place: Tensor, pictures: Tensor, robots: Tensor | None, background: Tensor
) -> tuple[Pose, Tensor]:
    """The same where places (B, 2) to look at are known."""
    still = torch.zeros(len(place))
    errors = turn_errors(sprite, Pose(place, still), pictures, robots, background, TURNS)
    # Neighbours of a good turn are nearly as good; only turns that are better than both neighbours are starts of their own.
    lowest = (errors <= errors.roll(1, 1)) & (errors <= errors.roll(-1, 1))
    order = errors.masked_fill(~lowest, torch.inf).argsort(1)
    best: tuple[Pose, Tensor] | None = None
    for rank in range(FEW):
        start = Pose(place, order[:, rank] * (2 * torch.pi / TURNS))
        pose, error = refined(sprite, start, pictures, robots, background, STEPS)
        best = (
            (pose, error) if best is None else (best[0].instead(pose, error < best[1]), torch.minimum(best[1], error))
        )
    assert best is not None
    return best
