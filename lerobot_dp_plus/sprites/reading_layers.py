"""Learned layers on every frame of a recording: where each thing is, and what tells without labels how sure that is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from lerobot_dp_plus.sprites.gauge import gauge_of_look
from lerobot_dp_plus.sprites.layers import Layers
from lerobot_dp_plus.sprites.learning_layers import joined
from lerobot_dp_plus.sprites.reading import AS_WELL, BATCH, STEPS
from lerobot_dp_plus.sprites.refining import refined
from lerobot_dp_plus.sprites.scene import Frames, Scene, half, noise_of
from lerobot_dp_plus.sprites.searching import turn_errors
from lerobot_dp_plus.sprites.sprite import Pose
from lerobot_dp_plus.sprites.unexplained import found_all

#: A thing is hidden in a picture if leaving it out costs less than this share of what it usually costs.
HIDDEN = 0.25
#: Turns that are tried to see whether a thing looks alike from another side: also thirds of a whole turn. Those
#: by less than an eighth of it are no other side.
TURNS, SIDES = 24, 8


@dataclass(frozen=True)
class LayersReading:
    """What was made of N pictures with K things.

    Args:
        poses: the poses of the looks, K of (N,).
        fixed: the same in each thing's own frame, that of its look: the centre of its opacity, its longest axis.
        error, noise: mean squared error of every picture, and the part of it that is noise, (N,).
        empty: the error with all things left out, (N,).
        without: the error with one thing left out, (N, K).
        turned: whether another turn of a thing explains the picture as well, (N, K).
        swapped: whether two things in each other's places do, for any two of them, (N,).
    """

    poses: list[Pose]
    fixed: list[Pose]
    error: Tensor
    noise: Tensor
    empty: Tensor
    without: Tensor
    turned: Tensor
    swapped: Tensor

    @property
    def hidden(self) -> Tensor:
        """Whether a thing is hidden, (N, K)."""
        cost = self.without - self.error[:, None]
        return cost < HIDDEN * cost.median(0).values


@dataclass(frozen=True)
class LayersQuality:
    """How good found poses of several things are.

    Args:
        reconstruction: mean squared error of a picture in 0 … 1.
        explained: 1 − reconstruction over the error of pictures with all things left out, both without noise.
        swapped: the share of pictures that are explained as well with two things in each other's places.
        each: of every thing, what it explains, as `explained` with it alone left out.
        turned: of every thing, the share of pictures that another turn of it explains as well.
        hidden: of every thing, the share of pictures in which it is hidden.
    """

    reconstruction: float
    explained: float
    swapped: float
    each: tuple[float, ...]
    turned: tuple[float, ...]
    hidden: tuple[float, ...]


@torch.no_grad()
def read_layers(
    layers: Layers, scene: Scene, frames: Frames, tell: Callable[[int], None] = lambda pictures: None
) -> LayersReading:
    """Find all things in all frames; `tell` hears of every batch how many pictures it had."""
    poses, columns = [], []
    for start in range(0, len(frames), BATCH):
        some = frames.part(slice(start, start + BATCH))
        poses.append(found_all(layers, scene, some.bright, some.robots, STEPS))
        columns.append(_told(layers, poses[-1], some.bright, some.robots))
        tell(len(some))
    error, noise, empty, without, turned, swapped = (torch.cat(column) for column in zip(*columns, strict=True))
    found = joined(poses)
    fixed = [gauge_of_look(layers.look(number)).fixed(pose) for number, pose in enumerate(found)]
    return LayersReading(found, fixed, error, noise, empty, without, turned, swapped)


def layers_quality(reading: LayersReading) -> LayersQuality:
    """The figures of a reading."""
    noise = reading.noise.sum()
    left = (reading.error.sum() - noise).clamp_min(0)
    each = 1 - left / (reading.without.sum(0) - noise).clamp_min(1e-12)
    return LayersQuality(
        float(reading.error.mean()),
        float(1 - left / (reading.empty.sum() - noise).clamp_min(1e-12)),
        float(reading.swapped.float().mean()),
        tuple(each.tolist()),
        tuple(reading.turned.float().mean(0).tolist()),
        tuple(reading.hidden.float().mean(0).tolist()),
    )


def _told(layers: Layers, poses: Sequence[Pose], pictures: Tensor, robots: Tensor | None) -> tuple[Tensor, ...]:
    """error, noise, empty, without, turned, swapped of some pictures."""

    def error(drawn: Tensor) -> Tensor:
        return (drawn - pictures).square().mean((1, 2, 3))

    numbers = range(len(layers))
    without = torch.stack([error(layers.without(number, poses, robots)) for number in numbers], 1)
    noise = noise_of(half(pictures), half(layers.background))[:, None]
    turned = []
    for number in numbers:
        one = layers.among(number, poses, robots)
        errors = (turn_errors(one, poses[number], pictures, robots, one.behind, TURNS) - noise).clamp_min(0)
        others = errors[:, TURNS // SIDES : TURNS - TURNS // SIDES + 1]
        turned.append(others.amin(1) < AS_WELL * errors[:, 0])
    own = (error(layers(poses, robots)) - noise_of(pictures, layers.background)).clamp_min(0)
    swapped = torch.zeros(len(pictures), dtype=torch.bool)
    for first, second in combinations(numbers, 2):
        swapped |= _swapped(layers, poses, pictures, robots, first, second) < AS_WELL * own + 1e-6
    drawn = error(layers(poses, robots)), noise_of(pictures, layers.background)
    return *drawn, error(layers(layers.nowhere(len(pictures)), robots)), without, torch.stack(turned, 1), swapped


def _swapped(
    layers: Layers, poses: Sequence[Pose], pictures: Tensor, robots: Tensor | None, first: int, second: int
) -> Tensor:
    """The least error without noise, (B,), of pictures with two things in each other's places, each at its best there."""
    tried = list(poses)
    tried[first], tried[second] = poses[second], poses[first]
    for number in (first, second):
        one = layers.among(number, tried, robots)
        best = turn_errors(one, tried[number], pictures, robots, one.behind, SIDES).argmin(1)
        turned = Pose(tried[number].place, tried[number].angle + best * (2 * torch.pi / SIDES))
        tried[number] = refined(one, turned, pictures, robots, one.behind, STEPS)[0]
    error = (layers(tried, robots) - pictures).square().mean((1, 2, 3))
    return (error - noise_of(pictures, layers.background)).clamp_min(0)
