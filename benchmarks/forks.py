"""Forks of PushT: states in which two ways are exactly as good.

The mirror (x, y) → (512 − y, 512 − x) keeps the line x + y = 512 and the goal (256, 256, π/4), see
`augmentation/pusht_mirror.py`. Here the T is turned as the goal is, T and agent lie on that line, and the agent lies on the
goal's side of the T. It has to come to the T's other side, so it must go round the T. Whatever is good on one side is exactly
as good on the other. The policy's demonstrations have no reason to prefer one either.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from lerobot_dp_plus.demos.pusht_features import keypoints
from lerobot_dp_plus.demos.pusht_model import ARENA, CENTRE, GOAL, RADIUS, block_of_pose, clearance, to_frame

#: Along the line, and across it towards larger x + y.
ALONG, ACROSS = np.array([1.0, -1.0]) / math.sqrt(2), np.array([1.0, 1.0]) / math.sqrt(2)
#: Pixels between agent and T, at least; and between the arena's border and what is in it.
FREE, BORDER = 20.0, 20.0
#: Pixels from the T to the goal. Nearer there is hardly a way to go. Farther the T stands in a corner, with little room behind.
#: Chosen on selection seeds: there the policy that comes along proposes one side only.
MOVED = (30.0, 150.0)
#: Coordinates on the line are multiples of 1/64 px, for which y = 512 − x holds exactly.
GRID = 64


def around(seed: int, jitter: float = 0.0) -> np.ndarray:
    """A fork as `reset_to_state` takes it: agent x, y, block x, y and angle, (5,), in pixels and radians.

    gym_pusht sets the block's position first and then turns it about its centre of gravity. The block's numbers here are
    those before it is turned: afterwards it lies where it should.

    Args:
        seed: of the fork. Equal seeds give forks that differ by their jitter only.
        jitter: standard deviation in pixels by which agent and T each lie off the line.

    Raises:
        ValueError: a negative jitter.
    """
    if not jitter >= 0:
        raise ValueError(f"jitter = {jitter}: must be at least 0 pixels")
    rng = np.random.default_rng([seed, 0])
    while True:
        agent, centre = _on_the_line(rng.uniform(-1, 1)), _on_the_line(rng.uniform(-1, 1))
        if is_fork(agent, centre):
            break
    off = jitter * np.random.default_rng([seed, 1]).standard_normal(2)
    return np.array([*(agent + off[0] * ACROSS), *(centre + off[1] * ACROSS - CENTRE), GOAL[2]])


def _on_the_line(share: float) -> np.ndarray:
    """A point of x + y = 512; shares from −1 to 1 reach from border to border."""
    x = round((ARENA / 2 + share * (ARENA / 2 - BORDER)) * GRID) / GRID
    return np.array([x, ARENA - x])


def is_fork(agent: np.ndarray, centre: np.ndarray) -> bool:
    """Whether an agent must go round a T that has the goal's angle and its centre of gravity at `centre`; both (2,).

    The agent is on the side to which the T is to be pushed, not in touch with it, and everything is away from the walls.
    """
    pose = np.array([*centre, GOAL[2]])
    corners = keypoints(*block_of_pose(pose))
    free, _ = clearance(to_frame(agent, pose))
    way = GOAL[:2] - centre
    return bool(
        MOVED[0] <= np.linalg.norm(way) <= MOVED[1]
        and free >= RADIUS + FREE
        and corners.min() >= BORDER
        and corners.max() <= ARENA - BORDER
        and (agent - centre) @ way > 0
    )


def side(chunk: ArrayLike) -> np.ndarray:
    """By which side of the line a chunk (..., L, 2) in pixels leads: the sign of (x + y − 512)/√2 where it is largest."""
    off = (np.asarray(chunk, dtype=np.float64).sum(-1) - ARENA) / math.sqrt(2)  # (..., L)
    return np.sign(np.take_along_axis(off, np.abs(off).argmax(-1, keepdims=True), -1)[..., 0])
