"""Pictures of several things that move rigidly, over each other; where each is, is known."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw
from seeing.drawn_things import ARENA, FINE, GREY, RED, SIDE, SQUARE, L, outline

from lerobot_dp_plus.environments.blocks_picture import draw, table
from lerobot_dp_plus.sprites import Frames

SMALL = ((-40, -40), (40, -40), (40, 40), (-40, 40))


@dataclass(frozen=True)
class Several:
    """Frames, and what only the test knows: places (N, K, 2) as shares of the picture and angles (N, K)."""

    frames: Frames
    places: np.ndarray
    angles: np.ndarray


def poses(count: int, things: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places, angles and the robot's places; things may overlap, and the robot may hide them."""
    rng = np.random.default_rng(seed)
    places = np.zeros((0, things, 2))
    while len(places) < count:  # none may hide another
        new = rng.uniform(0.17, 0.83, (things, 2))
        if all(np.linalg.norm(new[i] - new[j]) > 0.2 for i in range(things) for j in range(i)):
            places = np.concatenate([places, new[None]])
    return places, rng.uniform(-np.pi, np.pi, (count, things)), rng.uniform(0.1, 0.9, (count, 2))


def blocks(count: int = 60) -> Several:
    """The picture of `blocks`: a red square under a green triangle under a blue disc, and the gripper, on one table."""
    places, angles, grippers = poses(count, 3, 0)
    wood, tray = table(np.random.default_rng(0), 2 * SIDE), np.array([[0.3, 0.78], [0.7, 0.96]])
    shapes, sizes = np.array([1, 2, 0]), np.array([0.14, 0.13, 0.10])
    pictures = [
        cv2.resize(
            draw(wood, place, shapes, sizes, angle, gripper, False, tray), (SIDE, SIDE), interpolation=cv2.INTER_AREA
        )
        for place, angle, gripper in zip(places, angles, grippers, strict=True)
    ]
    stacked = torch.from_numpy(np.stack(pictures)).movedim(-1, 1).contiguous()
    return Several(Frames(stacked, torch.tensor(SIDE * grippers, dtype=torch.float32)), places, angles)


def cut_outs(
    shapes: Sequence[tuple] = (L, SMALL), colours: Sequence[tuple] = (GREY, RED), count: int = 60, seen: float = 1.0
) -> Several:
    """Outlines over each other, without a robot. The last one is in sight in a share `seen` of the pictures."""
    places, angles, _ = poses(count, len(shapes), 1)
    pictures = []
    for frame in range(count):
        large = Image.new("RGB", (SIDE * FINE,) * 2, (250, 250, 250))
        for number, (shape, colour) in enumerate(zip(shapes, colours, strict=True)):
            if number + 1 == len(shapes) and frame >= seen * count:
                continue
            place = ARENA * places[frame, number]
            ImageDraw.Draw(large).polygon(outline(shape, place, angles[frame, number]), colour)
        pictures.append(np.asarray(large.resize((SIDE, SIDE), Image.Resampling.BOX)))
    stacked = torch.from_numpy(np.stack(pictures)).movedim(-1, 1).contiguous()
    return Several(Frames(stacked, None), places, angles)


__all__ = ["SQUARE", "Several", "blocks", "cut_outs"]
