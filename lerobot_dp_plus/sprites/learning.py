"""How the looks are learned from pictures that nobody labelled.

    min over looks, and poses p_i, of mean_i ‖Î(p_i) − I_i‖²

In turns: poses of some pictures are found and refined with the looks as they are (`searching.py`, `refining.py`), and then
the looks go downhill with the poses held. Mirror images are not learned from, so that they can tell whether a thing is its
own (`assumptions.py`).
Source: a template and its transformations estimated in turns, Frey and Jojic 1999 (transformed mixtures).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from lerobot_dp_plus.sprites.refining import refined
from lerobot_dp_plus.sprites.scene import Frames, Scene
from lerobot_dp_plus.sprites.searching import found
from lerobot_dp_plus.sprites.sprite import Pose, Sprite

#: Pictures that are worked on at once.
BATCH = 64


@dataclass(frozen=True)
class Learning:
    """How long.

    Args:
        pictures: how many are learned from.
        rounds: how often poses and looks take turns.
        searches: in how many of these, the first, poses are searched for anew.
        steps: of refinement in a round.
        passes: over all pictures in a round, for the looks.
        lr: the looks' learning rate at first; it falls to a tenth.
    """

    pictures: int = 768
    rounds: int = 8
    searches: int = 3
    steps: int = 3
    passes: int = 3
    lr: float = 0.03

    def __post_init__(self) -> None:
        for name in ("pictures", "rounds", "searches", "steps", "passes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)}: must be at least 1")


@dataclass(frozen=True)
class Progress:
    """A round of a training, and the mean squared error of a picture in it."""

    round: int
    error: float


def learn(
    sprite: Sprite,
    frames: Frames,
    scene: Scene,
    learning: Learning,
    generator: torch.Generator,
    tell: Callable[[Progress], None] = lambda progress: None,
) -> None:
    """Teach a sprite on some of the frames."""
    some = frames.spread(learning.pictures)
    pictures, robots = some.bright, some.robots
    pose: Pose | None = None
    optimizer = torch.optim.Adam(sprite.parameters(), lr=learning.lr)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.1 ** (1 / learning.rounds))
    for number in range(learning.rounds):
        pose = _poses(sprite, scene, pictures, robots, None if number < learning.searches else pose, learning.steps)
        error = downhill(partial(_drawn, sprite, pose, robots), pictures, optimizer, learning.passes, generator)
        schedule.step()
        tell(Progress(number + 1, error))


def _drawn(sprite: Sprite, pose: Pose, robots: Tensor | None, rows: Tensor) -> Tensor:
    return sprite(pose.rows(rows), None if robots is None else robots[rows])


def downhill(
    draw: Callable[[Tensor], Tensor],
    pictures: Tensor,
    optimizer: torch.optim.Optimizer,
    passes: int,
    generator: torch.Generator,
) -> float:
    """Steps of what draws pictures, by their numbers, towards `pictures` (N, 3, h, w); the mean squared error on the way."""
    errors = []
    for _ in range(passes):
        for rows in torch.randperm(len(pictures), generator=generator).split(BATCH):
            error = (draw(rows) - pictures[rows]).square().mean()
            optimizer.zero_grad(set_to_none=True)
            error.backward()
            optimizer.step()
            errors.append(float(error.detach()))
    return sum(errors) / len(errors)


def _poses(
    sprite: Sprite, scene: Scene, pictures: Tensor, robots: Tensor | None, start: Pose | None, steps: int
) -> Pose:
    """Poses of pictures (N, 3, h, w) with the looks as they are: from a start, or searched for."""
    each = []
    for rows in torch.arange(len(pictures)).split(BATCH):
        shown, places = pictures[rows], None if robots is None else robots[rows]
        at = start.rows(rows) if start else found(sprite, scene, shown, places, sprite.background)[0]
        each.append(refined(sprite, at, shown, places, sprite.background, steps)[0])
    return Pose(torch.cat([pose.place for pose in each]), torch.cat([pose.angle for pose in each]))
