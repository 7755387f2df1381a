"""Moves as 10 Hz targets: a path walked at a steady pace, and the targets that make gym_pusht's controller walk it.

The agent is kinematic and its controller linear, p̈ = 100 (u − p) − 20 ṗ, so the target that makes it follow a path is
known in closed form, u = p + 0.2 ṗ + 0.01 p̈: it leads the agent by two steps of motion, and no dwelling is needed.
"""

from dataclasses import dataclass

import numpy as np

from lerobot_dp_plus.demos.pusht_model import ARENA, to_arena, to_frame
from lerobot_dp_plus.demos.pusht_moves import Move, way
from lerobot_dp_plus.demos.pusht_simulator import State

_ACCELERATION = 2.0  # pixels per step²
_SLOWEST = 1.2  # pixels per step, at reversals
_SHORT = 26.0  # pixels of travel below which a push is made at the fine pace


@dataclass(frozen=True)
class Pace:
    """Speeds in pixels per step of 0.1 s: free of the T, pushing it, and pushing it a little."""

    free: float
    push: float
    fine: float

    def of(self, travel: np.ndarray | float) -> np.ndarray:
        """Speed of a push of `travel` pixels; any shape."""
        return np.where(np.asarray(travel) < _SHORT, self.fine, self.push)


def move_path(state: State, move: Move) -> np.ndarray:
    """The polyline of a move in arena pixels from the agent's position, (n, 2); the last two points are the push."""
    if move.continuing:
        along = to_arena(move.direction, np.array([0, 0, state.pose[2]]))
        return np.stack([state.agent, state.agent + along * move.travel])
    points = to_arena(way(to_frame(state.agent, state.pose), move.approach), state.pose)
    end = to_arena(move.approach + move.direction * move.travel, state.pose)
    return np.concatenate([state.agent[None], points, end[None]])


def targets(state: State, move: Move, pace: Pace) -> np.ndarray:
    """Targets (T, 2) float32 that walk a move from `state`."""
    path = move_path(state, move)
    limits = np.full(len(path) - 1, pace.free)
    limits[-1] = pace.of(move.travel)
    return follow(path, limits, state.velocity / 10)


def follow(path: np.ndarray, limits: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """Targets (T, 2) float32 along a polyline (n, 2); speed limits (n − 1,) and `velocity` (2,) in pixels per step."""
    pieces = np.diff(path, axis=0)
    lengths = np.linalg.norm(pieces, axis=1)
    keep = lengths > 1e-6
    pieces, lengths, limits = pieces[keep], lengths[keep], limits[keep]
    path = np.concatenate([path[:1], path[0] + np.cumsum(pieces, axis=0)])
    headings = pieces / lengths[:, None]
    knots = np.concatenate([[0], np.cumsum(lengths)])

    # Speed along the path: limits, slower at corners, then what the acceleration allows forwards and backwards.
    grid = np.linspace(0, knots[-1], max(2, int(knots[-1] / 0.5) + 1))
    squares = limits[np.clip(np.searchsorted(knots, grid, side="right") - 1, 0, len(limits) - 1)] ** 2
    straightness = (1 + np.sum(headings[1:] * headings[:-1], axis=1)) / 2
    for knot, share, one, two in zip(knots[1:-1], straightness, limits[:-1], limits[1:], strict=True):
        index = int(np.argmin(np.abs(grid - knot)))
        squares[index] = min(squares[index], max(_SLOWEST, min(one, two) * share) ** 2)
    squares[0] = max(_SLOWEST, float(velocity @ headings[0])) ** 2
    squares[-1] = _SLOWEST**2
    gain = 2 * _ACCELERATION * (grid[1] - grid[0])
    for index in range(1, len(grid)):
        squares[index] = min(squares[index], squares[index - 1] + gain)
    for index in range(len(grid) - 2, -1, -1):
        squares[index] = min(squares[index], squares[index + 1] + gain)

    distances = [0.0]
    while distances[-1] < knots[-1]:
        distances.append(distances[-1] + float(np.sqrt(np.interp(distances[-1], grid, squares))))
    walked = np.minimum(distances, knots[-1])
    points = np.stack([np.interp(walked, knots, path[:, axis]) for axis in range(2)], axis=1)
    if len(points) > 3:
        points[1:-1] = (points[:-2] + 2 * points[1:-1] + points[2:]) / 4  # rounds the corners
    speed = np.diff(points, axis=0)
    around = np.concatenate([velocity[None], speed, speed[-1:] * 0.5])
    acceleration = (around[2:] - around[:-2]) / 2
    lead = (points[1:] + points[:-1]) / 2 + 2 * speed + acceleration
    return np.clip(lead, 0, ARENA).astype(np.float32)


def move_steps(way_length: np.ndarray, travel: np.ndarray, pace: Pace) -> np.ndarray:
    """Steps a move takes, estimated: the way, the push, and the slowing down in between; shapes broadcast."""
    return way_length / pace.free + travel / pace.of(travel) + 4
