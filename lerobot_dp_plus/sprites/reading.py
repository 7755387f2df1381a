"""A learned sprite on every frame of a recording: where the thing is, and what tells how sure that is."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lerobot_dp_plus.sprites.gauge import Gauge, gauge_of, gauge_of_look, middle
from lerobot_dp_plus.sprites.mirroring import Mirror
from lerobot_dp_plus.sprites.refining import refined
from lerobot_dp_plus.sprites.scene import Frames, Scene, half, noise_of
from lerobot_dp_plus.sprites.searching import found, turn_errors
from lerobot_dp_plus.sprites.sprite import Pose, Sprite

#: Steps of refinement; turns that are tried afterwards; pictures that are worked on at once.
STEPS, TURNS, BATCH = 6, 8, 64
#: Another turn explains a picture as well if its error is at most so many times as large.
AS_WELL = 2.0


@dataclass(frozen=True)
class Fit:
    """What was made of the pictures as they are, or of their mirror images.

    Args:
        pose: (N,) the sprite's poses.
        error: (N,) mean squared error of every picture.
        without: (N,) the same with the thing left out.
        noise: (N,) the part of both that is noise.
        turned: (N,) whether another turn of the thing explains the picture as well, or better.
    """

    pose: Pose
    error: Tensor
    without: Tensor
    noise: Tensor
    turned: Tensor

    @property
    def explained(self) -> float:
        """1 − Σ error / Σ error with the thing left out, both without noise; 1 is perfect."""
        noise = self.noise.sum()
        return float(1 - (self.error.sum() - noise).clamp_min(0) / (self.without.sum() - noise).clamp_min(1e-12))


@dataclass(frozen=True)
class Reading:
    """Where the thing is in every frame.

    Args:
        pose: (N,) poses of the thing's own frame: the mean of picture and mirror image where there is one.
        gauge: that frame in the sprite's.
        fit: what was made of the pictures as they are.
        image: what was made of their mirror images; None without a mirror.
        far, apart: (N,) by how much picture and mirror image disagree, in pixels and radians; None without a mirror.
    """

    pose: Pose
    gauge: Gauge
    fit: Fit
    image: Fit | None
    far: Tensor | None
    apart: Tensor | None


def read(
    sprite: Sprite,
    scene: Scene,
    frames: Frames,
    mirror: Mirror | None,
    tell: Callable[[int], None] = lambda pictures: None,
) -> Reading:
    """Find the thing in all frames; `tell` hears of every batch how many pictures it had."""
    fit = _fit(sprite, scene, frames, None, tell)
    if mirror is None:
        gauge = gauge_of_look(sprite.thing)
        return Reading(gauge.fixed(fit.pose), gauge, fit, None, None, None)
    # An own search in the mirror image: only so is it a check.
    image = _fit(sprite, scene, frames, mirror, tell)
    gauge = gauge_of(sprite.thing, fit.pose, image.pose, mirror, sprite.size)
    pose, far, apart = middle(gauge.fixed(fit.pose), gauge.fixed(image.pose), mirror, sprite.size)
    return Reading(pose, gauge, fit, image, far, apart)


@torch.no_grad()
def _fit(sprite: Sprite, scene: Scene, frames: Frames, mirror: Mirror | None, tell: Callable[[int], None]) -> Fit:
    background = sprite.background if mirror is None else mirror.pictures(sprite.background[None])[0]
    parts = []
    for start in range(0, len(frames), BATCH):
        some = frames.part(slice(start, start + BATCH))
        pictures, robots = some.bright, some.robots
        if mirror is not None:
            pictures = mirror.pictures(pictures)
            robots = None if robots is None else mirror.places(robots, sprite.size)
        parts.append(_fit_batch(sprite, scene, pictures, robots, background))
        tell(len(pictures))
    place, angle, error, without, noise, turned = (torch.cat(column) for column in zip(*parts, strict=True))
    return Fit(Pose(place, angle), error, without, noise, turned)


def _fit_batch(
    sprite: Sprite, scene: Scene, pictures: Tensor, robots: Tensor | None, background: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """place, angle, error, without, noise, turned of some pictures."""
    start, _ = found(sprite, scene, pictures, robots, background)
    pose, error = refined(sprite, start, pictures, robots, background, STEPS)
    errors = turn_errors(sprite, pose, pictures, robots, background, TURNS)
    best = errors.argmin(1)
    if best.any():
        other = Pose(pose.place, pose.angle + best * (2 * torch.pi / TURNS))
        again, worth = refined(sprite, other, pictures, robots, background, STEPS)
        pose, error = pose.instead(again, worth < error), torch.minimum(error, worth)
        errors = turn_errors(sprite, pose, pictures, robots, background, TURNS)
    errors = (errors - noise_of(half(pictures), half(background))[:, None]).clamp_min(0)
    turned = errors[:, 1:].amin(1) < AS_WELL * errors[:, 0]
    nowhere = Pose(pose.place + 1e4, pose.angle)
    without = (sprite(nowhere, robots, background) - pictures).square().mean((1, 2, 3))
    return pose.place, pose.angle, error, without, noise_of(pictures, background), turned
