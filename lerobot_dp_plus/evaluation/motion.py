"""How a robot moved: as far, as smoothly, and into what; of its measured positions, in their own units."""

from dataclasses import replace

import numpy as np
import torch

from lerobot_dp_plus.energies import Obstacles
from lerobot_dp_plus.notation import Scene


def path_length(positions: np.ndarray) -> float:
    """Σ ‖p_{t+1} − p_t‖ over an episode's positions (T + 1, D)."""
    return float(np.linalg.norm(np.diff(positions, axis=0), axis=1).sum())


def jerk(positions: np.ndarray, fps: float) -> float | None:
    """Mean ‖p_{t+3} − 3p_{t+2} + 3p_{t+1} − p_t‖ · fps³, the size of the third derivative; None of fewer than four."""
    if len(positions) < 4:
        return None
    return float(np.linalg.norm(np.diff(positions, 3, axis=0), axis=1).mean() * fps**3)


def collisions(positions: np.ndarray, obstacles: Obstacles) -> int | None:
    """How often the robot entered an obstacle of those its policy was told of: steps inside after a step outside.

    Inside is nearer to a disc than its radius and the clearance, or to a box than the clearance. None where there is no
    obstacle, or a position has other coordinates than they have.

    Args:
        positions: (T + 1, P).
    """
    size = positions.shape[1]
    widths = {len(row) - 1 if len(row) == size + 1 else (len(row) - 1) // 2 for row in obstacles.circles}
    widths |= {len(row) // 2 for row in obstacles.boxes}
    if widths != {size}:
        return None
    # Velocities are those of a chunk's steps; an evaluation's environments have no obstacles that move.
    standing = replace(obstacles, circles=tuple(tuple(row[: size + 1]) for row in obstacles.circles))
    points = torch.as_tensor(positions, dtype=torch.float32)[None, None]  # (1, 1, T + 1, P): one candidate's way
    inside = standing.depths(points, Scene())[0, 0].numpy() > 0
    return int(inside[0]) + int((inside[1:] & ~inside[:-1]).sum())
