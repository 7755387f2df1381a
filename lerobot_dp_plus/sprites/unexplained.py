"""Several things, one after the other, each on what those before leave unexplained; then all of them together."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lerobot_dp_plus.sprites.layers import Layers
from lerobot_dp_plus.sprites.placing import grid
from lerobot_dp_plus.sprites.refining import refined
from lerobot_dp_plus.sprites.scene import Scene, blobs
from lerobot_dp_plus.sprites.searching import found_at
from lerobot_dp_plus.sprites.sprite import Pose

#: The most parts of what is unexplained at whose centres a thing is looked for, the largest first.
PARTS = 3


@torch.no_grad()
def left_over(layers: Layers, scene: Scene, poses: Sequence[Pose], pictures: Tensor, robots: Tensor | None) -> Tensor:
    """How much pictures (B, 3, h, w) differ from what is drawn, (B, h, w); none where a thing that was found hides it."""
    drawn = layers(poses, robots)
    hidden = torch.zeros_like(drawn[:, 0])
    for number, pose in enumerate(poses):
        hidden = torch.maximum(hidden, layers.layer(number, pose)[:, 3])
    # Edges of what was found are never quite right; a ring of one pixel is no thing.
    hidden = torch.nn.functional.max_pool2d(hidden[:, None], 3, 1, 1)[:, 0]
    differs = (pictures - drawn).abs().amax(1)
    differs = differs * (differs > scene.least) * (hidden < 0.3)
    if robots is None or scene.robot is None:
        return differs
    far = (grid(*layers.size) - robots[:, None, None]).norm(dim=-1)
    return differs * (far > scene.reach)


@torch.no_grad()
def found_all(layers: Layers, scene: Scene, pictures: Tensor, robots: Tensor | None, steps: int) -> list[Pose]:
    """Poses of all things of which nothing is known yet: those of the largest looks are found first."""
    poses = layers.nowhere(len(pictures))
    order = sorted(range(len(layers)), key=lambda number: -_area(layers, number))
    for rank, number in enumerate(order):
        left = left_over(layers, scene, poses, pictures, robots)
        places = _places(left, min(PARTS, len(layers) - rank))
        poses[number] = _found(layers, number, poses, places, pictures, robots)
    # Each was found before those after it were known: once more, with all of them there.
    for number in order:
        others = list(poses)
        others[number] = layers.nowhere(len(pictures))[number]
        left = left_over(layers, scene, others, pictures, robots)
        again = _found(layers, number, poses, _places(left, 1), pictures, robots)
        poses[number] = _better(layers, number, poses, again, pictures, robots)
    return refined_all(layers, poses, pictures, robots, steps)


@torch.no_grad()
def refined_all(
    layers: Layers, poses: Sequence[Pose], pictures: Tensor, robots: Tensor | None, steps: int
) -> list[Pose]:
    """Poses made better together: two rounds, in which each thing is refined with the others where they are."""
    poses = list(poses)
    for _ in range(2):
        for number in range(len(layers)):
            one = layers.among(number, poses, robots)
            poses[number] = refined(one, poses[number], pictures, robots, one.behind, steps)[0]
    return poses


def _area(layers: Layers, number: int) -> float:
    look = layers.look(number)
    return float(look.opacity.detach().mean()) * look.side**2


def _places(left: Tensor, count: int) -> Tensor:
    """Centres of the largest parts of what is left over, (B, count, 2); the last one again where there are fewer."""
    height, width = left.shape[-2:]
    pixels, places = grid(height, width), []
    for each in left.numpy():
        parts = blobs(each)[:count]
        centres = [pixels[torch.from_numpy(part)].mean(0) for part in parts] or [torch.tensor([width / 2, height / 2])]
        places.append(torch.stack(centres + centres[-1:] * (count - len(centres))))
    return torch.stack(places)


def _found(
    layers: Layers, number: int, poses: Sequence[Pose], places: Tensor, pictures: Tensor, robots: Tensor | None
) -> Pose:
    """Where a thing explains most, of the places (B, P, 2) at which it is looked for."""
    one = layers.among(number, poses, robots)
    best: tuple[Pose, Tensor] | None = None
    for place in places.unbind(1):
        pose, error = found_at(one, place, pictures, robots, one.behind)
        best = (
            (pose, error) if best is None else (best[0].instead(pose, error < best[1]), torch.minimum(best[1], error))
        )
    assert best is not None
    return best[0]


def _better(
    layers: Layers, number: int, poses: list[Pose], other: Pose, pictures: Tensor, robots: Tensor | None
) -> Pose:
    errors = []
    for pose in (poses[number], other):
        tried = [pose if each == number else known for each, known in enumerate(poses)]
        errors.append((layers(tried, robots) - pictures).square().mean((1, 2, 3)))
    return poses[number].instead(other, errors[1] < errors[0])
