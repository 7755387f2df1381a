"""How the looks of several things are learned, and which is in front: poses and looks take turns, as for one (`learning.py`)."""

from collections.abc import Callable
from functools import partial
from itertools import permutations

import torch
from torch import Tensor

from lerobot_dp_plus.sprites.layers import Layers
from lerobot_dp_plus.sprites.learning import BATCH, Learning, Progress, downhill
from lerobot_dp_plus.sprites.scene import Frames, Scene
from lerobot_dp_plus.sprites.sprite import Pose
from lerobot_dp_plus.sprites.unexplained import found_all, refined_all


def learn_layers(
    layers: Layers,
    frames: Frames,
    scene: Scene,
    learning: Learning,
    generator: torch.Generator,
    tell: Callable[[Progress], None] = lambda progress: None,
) -> Layers:
    """Teach the looks on some of the frames; the layers that come back lie in the order that explains them best."""
    some = frames.spread(learning.pictures)
    pictures, robots = some.bright, some.robots
    poses: list[Pose] = []
    optimizer = torch.optim.Adam(layers.parameters(), lr=learning.lr)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.1 ** (1 / learning.rounds))
    for number in range(learning.rounds):
        poses = _poses(layers, scene, some, [] if number < learning.searches else poses, learning.steps)
        layers, poses = in_order(layers, poses, pictures, robots)
        error = downhill(partial(_drawn, layers, poses, robots), pictures, optimizer, learning.passes, generator)
        schedule.step()
        tell(Progress(number + 1, error))
    return layers


def _drawn(layers: Layers, poses: list[Pose], robots: Tensor | None, rows: Tensor) -> Tensor:
    return layers([pose.rows(rows) for pose in poses], None if robots is None else robots[rows])


@torch.no_grad()
def in_order(layers: Layers, poses: list[Pose], pictures: Tensor, robots: Tensor | None) -> tuple[Layers, list[Pose]]:
    """The things with the same looks and poses, the order of the layers that explains pictures best."""
    best: tuple[float, Layers, list[Pose]] | None = None
    for order in permutations(range(len(layers))):
        tried = Layers(layers.background, [layers.look(number) for number in order], layers.robot)
        placed = [poses[number] for number in order]
        error = 0.0
        for rows in torch.arange(len(pictures)).split(BATCH):
            error += float((_drawn(tried, placed, robots, rows) - pictures[rows]).square().sum())
        if best is None or error < best[0]:
            best = error, tried, placed
    assert best is not None
    return best[1], best[2]


def _poses(layers: Layers, scene: Scene, some: Frames, start: list[Pose], steps: int) -> list[Pose]:
    each = []
    for rows in torch.arange(len(some)).split(BATCH):
        part = some.part(rows)
        if start:
            each.append(refined_all(layers, [pose.rows(rows) for pose in start], part.bright, part.robots, steps))
        else:
            each.append(found_all(layers, scene, part.bright, part.robots, steps))
    return joined(each)


def joined(parts: list[list[Pose]]) -> list[Pose]:
    """Poses of things, of parts of the pictures, as poses in all of them."""
    return [
        Pose(torch.cat([pose.place for pose in same]), torch.cat([pose.angle for pose in same]))
        for same in zip(*parts, strict=True)
    ]
