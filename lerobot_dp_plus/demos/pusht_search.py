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
    to_arena,
    to_frame,
)
from lerobot_dp_plus.demos.pusht_motion import Pace, move_steps
from lerobot_dp_plus.demos.pusht_moves import Move, library, way_lengths

ENOUGH = 0.962  # modelled coverage that counts as the goal; above 0.95 because the model errs by half a pixel
_WALL = 9.0  # pixels from the arena's edge where the T's corners start to cost
_PER_PUSH = 2  # travels kept of one push from one parent
_PER_PARENT = 10  # children kept of one parent


@dataclass(frozen=True)
class Plan:
    """Moves, the steps they take, and the estimated total: steps plus what is left after them."""

    moves: tuple[Move, ...]
    steps: float
    cost: float


def steps_left(distance: np.ndarray, pace: Pace) -> np.ndarray:
    """Steps still needed at `goal_distance` in pixels; steep near the goal, where every correction costs a way round."""
    return (0.30 * distance + 22 * (1 - np.exp(-distance / 5))) * 9.5 / pace.push


def _outside(pose: np.ndarray) -> np.ndarray:
    """Pixels by which the T's farthest corner enters the walls, (..., 3) -> (...)."""
    corners = to_arena(CORNERS - CENTRE, pose[..., None, :])
    return np.maximum(_WALL - corners, corners - (ARENA - _WALL)).max(axis=(-1, -2)).clip(min=0)


def _fits(points: np.ndarray) -> np.ndarray:
    """Whether arena points (..., 2) can be reached by a target within the action space."""
    return ((points > 6) & (points < ARENA - 6)).all(axis=-1)


def search(
    pose: np.ndarray, agent: np.ndarray, pace: Pace, handicap: np.ndarray, beam: int = 24, depth: int = 5
) -> list[Plan]:
    """Plans from a pose (3,) and agent (2,), cheapest first, at most a few per first contact.

    Args:
        pace: speeds that turn lengths into steps.
        handicap: (8,) steps added to a plan for each push on that face; a taste, different in every episode.
        beam: states kept per depth.
        depth: most moves in a plan.
    """
    book = library()
    faces = book.face[book.contact]
    poses, agents = pose[None], agent[None]
    steps = taste = np.zeros(1)
    histories: list[tuple[Move, ...]] = [()]
    plans: list[Plan] = []
    bound = np.inf
    for _ in range(depth):
        count = len(poses)
        ways = way_lengths(to_frame(agents, poses))[:, book.contact]  # (B, M)
        reachable = _fits(to_arena(book.approach, poses[:, None]))[:, book.contact]
        after = compose(poses[:, None, None], book.motion)  # (B, M, L, 3)
        ends = to_arena(book.end, poses[:, None, None])
        distance = goal_distance(after)
        spent = (steps + 0)[:, None, None] + move_steps(ways[..., None], book.travel, pace)
        left = steps_left(distance, pace)
        near = np.nonzero(distance < 6)
        left[near] = np.where(coverage_near_goal(after[near]) > ENOUGH, 0.0, left[near])
        tasted = taste[:, None] + handicap[faces]
        cost = spent + left + tasted[..., None]
        cost[~(reachable[..., None] & _fits(ends))] = np.inf

        # The best travels of every push, then the best pushes of every parent.
        best = np.argpartition(cost, _PER_PUSH, axis=2)[..., :_PER_PUSH]
        chosen = np.take_along_axis(cost, best, axis=2).reshape(count, -1)
        keep = min(_PER_PARENT if count > 1 else 4 * beam, chosen.shape[1] - 1)
        rows = np.argpartition(chosen, keep, axis=1)[:, :keep]
        parents = np.arange(count).repeat(keep)
        pushes, slots = np.divmod(rows.reshape(-1), _PER_PUSH)
        travels = best[parents, pushes, slots]
        totals = cost[parents, pushes, travels]
        totals = totals + 2.0 * _outside(after[parents, pushes, travels])

        seen: set[tuple[int, ...]] = set()
        picked = []
        for index in np.argsort(totals):
            if not np.isfinite(totals[index]) or len(picked) == beam:
                break
            parent, push, travel = parents[index], pushes[index], travels[index]
            x, y, angle = after[parent, push, travel]
            key = (round(x / 6), round(y / 6), round(angle / 0.1), int(faces[push]))
            if key not in seen:
                seen.add(key)
                picked.append(index)
        if not picked:
            break
        for index in picked:
            parent, push, travel = parents[index], pushes[index], travels[index]
            history = (*histories[parent], book.move(push, travel))
            plans.append(Plan(history, float(spent[parent, push, travel]), float(totals[index])))
        chosen_parents, chosen_pushes, chosen_travels = parents[picked], pushes[picked], travels[picked]
        histories = [plan.moves for plan in plans[-len(picked) :]]
        poses = after[chosen_parents, chosen_pushes, chosen_travels]
        agents = ends[chosen_parents, chosen_pushes, chosen_travels]
        steps = spent[chosen_parents, chosen_pushes, chosen_travels]
        taste = tasted[chosen_parents, chosen_pushes]
        bound = min(bound, min(plan.cost for plan in plans))
        going = (steps + taste < bound) & (left[chosen_parents, chosen_pushes, chosen_travels] > 0)
        if not going.any():
            break
        poses, agents, steps, taste = poses[going], agents[going], steps[going], taste[going]
        histories = [history for history, goes in zip(histories, going, strict=True) if goes]
    return sorted(plans, key=lambda plan: plan.cost)
