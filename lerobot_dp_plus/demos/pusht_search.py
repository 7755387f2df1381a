"""Beam search over push primitives: which few moves bring the T to the goal in the fewest steps?"""

from dataclasses import dataclass

import numpy as np

from lerobot_dp_plus.demos.pusht_features import CORNERS
from lerobot_dp_plus.demos.pusht_model import (
    ARENA,
    CENTRE,
    compose,
    coverage_near_goal,
    goal_distance,
    motion_size,
    to_arena,
    to_frame,
)
from lerobot_dp_plus.demos.pusht_motion import Pace, move_steps
from lerobot_dp_plus.demos.pusht_moves import Move, continuations, library, way_lengths

ENOUGH = 0.962  # modelled coverage that counts as the goal; above 0.95 because the model errs by half a pixel
_NEAR = 4.0  # pixels of `goal_distance` beyond which coverage is never enough
_LEAST = 1.5  # pixels (of `goal_distance`'s kind) a push must move the T; less may be nothing in the simulator
_LEAST_SHARE = 0.15  # of the distance to the goal a push must move the T: no dithering far away
_WALL = 9.0  # pixels from the arena's edge where the T's corners start to cost
_EDGE = 6.0  # pixels from the arena's edge the agent keeps
_PER_PUSH = 2  # travels kept of one push from one parent
_PER_PARENT = 10  # children kept of one parent


@dataclass(frozen=True)
class _Nodes:
    """B search nodes: poses (B, 3), agents (B, 2), steps and taste so far (B,), moves so far."""

    poses: np.ndarray
    agents: np.ndarray
    steps: np.ndarray
    taste: np.ndarray
    histories: list[tuple[Move, ...]]

    def take(self, rows: np.ndarray) -> "_Nodes":
        histories = [self.histories[row] for row in rows]
        return _Nodes(self.poses[rows], self.agents[rows], self.steps[rows], self.taste[rows], histories)


@dataclass(frozen=True)
class _Children:
    """Every push at every travel from every node: poses (B, P, L, 3), ends (B, P, L, 2), steps, left, cost (B, P, L),
    face and taste (B, P), continuing directions (B, C, 2); the last C of the P pushes continue, the others approach."""

    poses: np.ndarray
    ends: np.ndarray
    steps: np.ndarray
    left: np.ndarray
    cost: np.ndarray
    face: np.ndarray
    taste: np.ndarray
    directions: np.ndarray

    def move(self, parent: int, push: int, travel: int) -> Move:
        book = library()
        approaching = len(book.contact)
        if push < approaching:
            return book.move(push, travel)
        direction = self.directions[parent, push - approaching]
        length = float(book.travel[travel])
        return Move(np.full(2, np.nan), direction, length, int(self.face[parent, push]), continuing=True)


def steps_left(distance: np.ndarray, pace: Pace) -> np.ndarray:
    """Steps still needed at `goal_distance` in pixels; steep near the goal: every correction costs a way round."""
    return (0.30 * distance + 22 * (1 - np.exp(-distance / 5))) * 9.5 / pace.push


def _outside(pose: np.ndarray) -> np.ndarray:
    """Pixels by which the T's farthest corner enters the walls, (..., 3) -> (...)."""
    corners = to_arena(CORNERS - CENTRE, pose[..., None, :])
    return np.maximum(_WALL - corners, corners - (ARENA - _WALL)).max(axis=(-1, -2)).clip(min=0)


def _fits(points: np.ndarray) -> np.ndarray:
    """Whether arena points (..., 2) can be reached by a target within the action space."""
    half = ARENA / 2
    return (np.abs(points[..., 0] - half) < half - _EDGE) & (np.abs(points[..., 1] - half) < half - _EDGE)


def _expand(nodes: _Nodes, pace: Pace, handicap: np.ndarray) -> _Children:
    """Every push from every node, with its cost; infinite where the push is impossible or does too little."""
    book = library()
    poses, agents = nodes.poses[:, None], to_frame(nodes.agents, nodes.poses)
    on = continuations(agents)
    count, continuing = on.direction.shape[:2]

    motion = np.concatenate([np.broadcast_to(book.motion, (count, *book.motion.shape)), on.motion], axis=1)
    end = np.concatenate([np.broadcast_to(book.end, (count, *book.end.shape)), on.end], axis=1)
    after, ends = compose(poses[:, None], motion), to_arena(end, poses[:, None])
    face = np.concatenate(
        [np.tile(book.face[book.contact], (count, 1)), np.tile(on.face[:, None], (1, continuing))], axis=1
    )
    ways = np.concatenate([way_lengths(agents)[:, book.contact], np.zeros((count, continuing))], axis=1)
    possible = np.concatenate(
        [_fits(to_arena(book.approach, poses))[:, book.contact], np.tile(on.possible[:, None], (1, continuing))], axis=1
    )

    distance = goal_distance(after)
    left = steps_left(distance, pace)
    near = np.nonzero(distance < _NEAR)
    left[near] = np.where(coverage_near_goal(after[near]) > ENOUGH, 0.0, left[near])
    steps = nodes.steps[:, None, None] + move_steps(ways[..., None], book.travel, pace)
    taste = nodes.taste[:, None] + handicap[face]
    enough = motion_size(motion) > np.maximum(_LEAST, _LEAST_SHARE * goal_distance(nodes.poses))[:, None, None]
    cost = np.where(possible[..., None] & enough & _fits(ends), steps + left + taste[..., None], np.inf)
    return _Children(after, ends, steps, left, cost, face, taste, on.direction)


def _select(nodes: _Nodes, children: _Children, beam: int) -> tuple[_Nodes, np.ndarray]:
    """The cheapest children that differ from each other, and the steps left after each (beam,)."""
    # The best travels of every push, then the best pushes of every parent.
    best = np.argpartition(children.cost, _PER_PUSH, axis=2)[..., :_PER_PUSH]
    count = len(best)
    offers = np.take_along_axis(children.cost, best, axis=2).reshape(count, -1)
    keep = min(_PER_PARENT if count > 1 else 4 * beam, offers.shape[1] - 1)
    rows = np.argpartition(offers, keep, axis=1)[:, :keep]
    parents = np.arange(count).repeat(keep)
    pushes, slots = np.divmod(rows.reshape(-1), _PER_PUSH)
    travels = best[parents, pushes, slots]
    poses = children.poses[parents, pushes, travels]
    totals = children.cost[parents, pushes, travels] + 2.0 * _outside(poses)

    keys = np.column_stack([np.round(poses / [6, 6, 0.1]), children.face[parents, pushes]]).astype(int)
    seen: set[bytes] = set()
    picked: list[int] = []
    for index in np.argsort(totals, kind="stable"):
        if not np.isfinite(totals[index]) or len(picked) == beam:
            break
        if (key := keys[index].tobytes()) not in seen:
            seen.add(key)
            picked.append(int(index))
    where = parents[picked], pushes[picked], travels[picked]
    histories = [
        (*nodes.histories[parent], children.move(int(parent), int(push), int(travel)))
        for parent, push, travel in zip(*where, strict=True)
    ]
    chosen = _Nodes(poses[picked], children.ends[where], children.steps[where], children.taste[where[:2]], histories)
    return chosen, children.left[where] + 2.0 * _outside(chosen.poses)


def search(
    pose: np.ndarray, agent: np.ndarray, pace: Pace, handicap: np.ndarray, beam: int = 24, depth: int = 5
) -> list[tuple[Move, ...]]:
    """Plans from a pose (3,) and agent (2,), the cheapest first: steps plus taste plus what is left to do.

    Args:
        pace: speeds that turn lengths into steps.
        handicap: (8,) steps added to a plan for each push on that face; a taste, different in every episode.
        beam: states kept per depth.
        depth: most moves in a plan.
    """
    nodes = _Nodes(pose[None], agent[None], np.zeros(1), np.zeros(1), [()])
    plans: list[tuple[float, tuple[Move, ...]]] = []
    for _ in range(depth):
        nodes, left = _select(nodes, _expand(nodes, pace, handicap), beam)
        plans += zip((nodes.steps + nodes.taste + left).tolist(), nodes.histories, strict=True)
        bound = min((cost for cost, _ in plans), default=np.inf)
        nodes = nodes.take(np.flatnonzero((nodes.steps + nodes.taste < bound) & (left > 0)))
        if not nodes.histories:
            break
    return [moves for _, moves in sorted(plans, key=lambda plan: plan[0])]
