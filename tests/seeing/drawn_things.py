"""Pictures of a thing that moves rigidly, drawn with soft edges; where it is, is known."""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw

from lerobot_dp_plus.augmentation import PushTMirror
from lerobot_dp_plus.sprites import Frames, Mirror, View

ARENA, SIDE, FINE = 512, 48, 8
VIEW = View(0, ARENA, 0, ARENA)
MIRROR = Mirror(PushTMirror(), VIEW)
#: Outlines in the thing's frame, in units of the arena. An L is not its own mirror image; a square is in four ways.
T = ((-60, 0), (60, 0), (60, 30), (15, 30), (15, 120), (-15, 120), (-15, 30), (-60, 30))
L = ((-15, -60), (15, -60), (15, 30), (75, 30), (75, 60), (-15, 60))
SQUARE = ((-45, -45), (45, -45), (45, 45), (-45, 45))
GREY, RED, BLUE = (119, 136, 153), (200, 60, 60), (65, 105, 225)


@dataclass(frozen=True)
class Truth:
    """Frames, and what only the test knows: origins (N, 2) in units of the arena and angles (N,)."""

    frames: Frames
    origins: np.ndarray
    angles: np.ndarray
    robots: np.ndarray


def outline(shape: tuple, origin: np.ndarray, angle: float) -> list[tuple[float, float]]:
    """The corners of a shape, for PIL at the fine scale."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (np.asarray(shape, float) @ turn.T + origin) * (SIDE * FINE / ARENA)
    return [tuple(point) for point in points.tolist()]


def wandering(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Places in the middle of the arena and angles all around, (count, 2) and (count,)."""
    generator = np.random.default_rng(seed)
    return generator.uniform(150, 362, (count, 2)), generator.uniform(-np.pi, np.pi, count)


def scene(
    count: int = 160,
    shape: tuple = T,
    second: bool = False,
    still: bool = False,
    shaken: int = 0,
    robot_shown: bool = True,
) -> Truth:
    """Pictures of a thing over a ground with a square in it, the robot as a disc in front.

    Args:
        second: whether a red square moves as well.
        still: whether nothing moves but the robot.
        shaken: by how many pixels at most the camera moves.
        robot_shown: whether the robot is in sight.
    """
    origins, angles = wandering(count, 0)
    others, _ = wandering(count, 1)
    generator = np.random.default_rng(2)
    robots = generator.uniform(40, 472, (count, 2))
    pictures = []
    for frame in range(count):
        large = Image.new("RGB", (SIDE * FINE,) * 2, (250, 250, 250))
        draw = ImageDraw.Draw(large)
        draw.polygon(outline(((-70, -70), (70, -70), (70, 70), (-70, 70)), np.array([256, 256]), 0), (144, 238, 144))
        at = 0 if still else frame
        draw.polygon(outline(shape, origins[at], angles[at]), GREY)
        if second:
            draw.polygon(outline(((-40, -40), (40, -40), (40, 40), (-40, 40)), others[frame], 0), RED)
        if robot_shown:
            x, y = robots[frame] * (SIDE * FINE / ARENA)
            radius = 15 * SIDE * FINE / ARENA
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), BLUE)
        small = np.asarray(large.resize((SIDE, SIDE), Image.Resampling.BOX))
        if shaken:
            small = np.roll(small, generator.integers(-shaken, shaken + 1, 2), (0, 1))
        pictures.append(small)
    stacked = torch.from_numpy(np.stack(pictures)).movedim(-1, 1).contiguous()
    places = VIEW.pixels(torch.tensor(robots, dtype=torch.float32), (SIDE, SIDE))
    return Truth(Frames(stacked, places), origins, angles, robots)
