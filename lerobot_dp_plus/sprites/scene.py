"""What stands still in a recording, and what does not: the median picture, and what differs from it."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn

from lerobot_dp_plus.sprites.placing import cut, grid
from lerobot_dp_plus.sprites.sprite import Patch

#: The longest side of the pictures that are explained.
EXPLAINED = 48
#: Pictures of which the median is taken, and that are looked at before anything is learned.
SAMPLE = 512
#: A pixel that differs by more in a colour, of 0 … 1, shows something else than the background; or by so many deviations
#: of the noise, if that is more.
DIFFERS, DEVIATIONS = 0.1, 4.0
#: The side of the square in which the robot is looked for, over that of the picture; its pixels.
ROBOT, ROBOT_PIXELS = 1 / 6, 16


@dataclass(frozen=True)
class Frames:
    """Pictures, and where the robot was measured to be in them.

    Args:
        pictures: (N, 3, h, w) bytes, at the size at which they are explained.
        robots: (N, 2) in their pixels; None if the robot is not in sight, or is no thing of its own.
    """

    pictures: Tensor
    robots: Tensor | None

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def size(self) -> tuple[int, int]:
        """(h, w)."""
        return self.pictures.shape[-2], self.pictures.shape[-1]

    @property
    def bright(self) -> Tensor:
        """The pictures in 0 … 1."""
        return self.pictures.float() / 255

    def part(self, rows: Tensor | slice) -> "Frames":
        """Some of the frames."""
        return Frames(self.pictures[rows], None if self.robots is None else self.robots[rows])

    def spread(self, count: int = SAMPLE) -> "Frames":
        """At most `count` of them, evenly spread."""
        return self.part(torch.linspace(0, len(self) - 1, min(count, len(self))).round().long())


@dataclass(frozen=True)
class Scene:
    """What is found before anything is learned.

    Args:
        background: the median picture, (3, h, w) in 0 … 1.
        robot: the look of the robot; None if it is not in sight.
        contrast: how much the robot differs from the background in the strongest pixel, 0 … 1.
        noise: standard deviation of pixels in which nothing moves, 0 … 1.
    """

    background: Tensor
    robot: Patch | None
    contrast: float
    noise: float

    def foreground(self, pictures: Tensor, robots: Tensor | None, background: Tensor | None = None) -> Tensor:
        """How much pictures (B, 3, h, w) differ from the background, (B, h, w); none where the robot is."""
        behind = self.background if background is None else background
        difference = (pictures - behind).abs().amax(1)
        difference = difference * (difference > self.least)
        if robots is None or self.robot is None:
            return difference
        far = grid(difference.shape[-2], difference.shape[-1], pictures.device) - robots[:, None, None]
        return difference * (far.norm(dim=-1) > self.reach)

    @property
    def least(self) -> float:
        """How much a pixel must differ to show something else."""
        return max(DIFFERS, DEVIATIONS * self.noise)

    @property
    def reach(self) -> float:
        """The radius in pixels within which the robot may be seen."""
        if self.robot is None:
            return 0.0
        opacity = self.robot.opacity.detach()
        size = opacity.shape[-1]
        far = ((grid(size, size) - size / 2).norm(dim=-1) * (opacity > 0.5)).max()
        return float(far) / size * self.robot.side + 1.0


def look_at(frames: Frames) -> Scene:
    """Median picture and robot of some frames."""
    some = frames.spread()
    background = some.pictures.median(0).values.float() / 255
    noise = float(noise_of(some.bright, background).median().sqrt())
    if some.robots is None:
        return Scene(background, None, 0.0, noise)
    side, still = ROBOT * max(frames.size), torch.zeros(len(some))
    around = cut(some.bright, some.robots, still, side, ROBOT_PIXELS).median(0).values  # (3, 16, 16)
    behind = cut(background.expand(len(some), -1, -1, -1), some.robots, still, side, ROBOT_PIXELS).median(0).values
    differs = (around - behind).abs().amax(0)
    contrast = float(differs.max())
    return Scene(background, Patch(around, (differs > contrast / 2).float(), side), contrast, noise)


def noise_of(pictures: Tensor, background: Tensor) -> Tensor:
    """The variance of the noise in pictures (B, 3, h, w), (B,), as the median difference from the background tells it.

    Most of a picture is background, so what moves does not count. Of a Gaussian the median of |x| is σ/1.4826.
    """
    return (1.4826 * (pictures - background).abs().flatten(1).median(1).values).square()


def blobs(foreground: np.ndarray) -> list[np.ndarray]:
    """The connected parts (h, w) bool of a foreground (h, w), the largest first."""
    labels, count = ndimage.label(foreground > 0, structure=np.ones((3, 3)))
    parts = [labels == number for number in range(1, count + 1)]
    return sorted(parts, key=lambda part: -int(part.sum()))


def centres(foreground: Tensor) -> Tensor:
    """The centre (B, 2) in pixels of foregrounds (B, h, w); the picture's where there is none."""
    height, width = foreground.shape[-2:]
    places = grid(height, width, device=foreground.device)
    total = foreground.sum((1, 2))[:, None]
    found = (foreground[..., None] * places).sum((1, 2)) / total.clamp_min(1e-6)
    return torch.where(total > 0, found, found.new_tensor([width / 2, height / 2]))


def half(pictures: Tensor) -> Tensor:
    """Pictures (..., C, h, w) at half the size."""
    return nn.functional.avg_pool2d(pictures, 2)
