"""From a state to a plan that works: search in the model, exact check in the simulator, choice among equals."""

from dataclasses import dataclass, field

import numpy as np

from lerobot_dp_plus.demos.pusht_features import SUCCESS_COVERAGE
from lerobot_dp_plus.demos.pusht_model import goal_distance, motion_size
from lerobot_dp_plus.demos.pusht_motion import Pace, targets
from lerobot_dp_plus.demos.pusht_moves import Move
from lerobot_dp_plus.demos.pusht_search import search, steps_left
from lerobot_dp_plus.demos.pusht_simulator import Rollout, State, simulate

_SECURE = SUCCESS_COVERAGE + 0.004  # coverage demanded of a checked plan: contacts carried over may cost a little
_CHECKED = 10  # plans run exactly per decision
_SIMILAR = 3  # of those plans that begin at the same face and have the same number of moves
_FORK = 1.08  # plans within this factor of the best are equally good
_LEAST = 1.0  # pixels (of `goal_distance`'s kind) the first checked move must move the T
_UNFINISHED = 10  # steps added to a plan that ends short of the goal


@dataclass(frozen=True)
class Taste:
    """What plans are measured with in one episode: the pace and (8,) steps added for each push on a face of the T."""

    pace: Pace = field(default_factory=lambda: Pace(10.0, 6.2, 4.0))
    handicap: np.ndarray = field(default_factory=lambda: np.zeros(8))


@dataclass(frozen=True)
class Plan:
    """Moves run exactly: one roll-out per move, and the cost in steps, with what is left to do after them."""

    moves: tuple[Move, ...]
    runs: tuple[Rollout, ...]
    cost: float

    @property
    def success(self) -> bool:
        """Whether the plan covers the goal."""
        return self.runs[-1].success


def moved(one: np.ndarray, two: np.ndarray) -> float:
    """How far apart two poses (3,) are, in the pixels of `goal_distance`."""
    return float(motion_size(two - one))


def check(state: State, moves: tuple[Move, ...], taste: Taste) -> Plan | None:
    """Run moves exactly from `state`; None when the first of them leaves the T where it is."""
    runs: list[Rollout] = []
    for move in moves:
        run = simulate(state, targets(state, move, taste.pace), _SECURE)
        if not runs and not run.success and moved(state.pose, run.last.pose) < _LEAST:
            return None
        runs.append(run)
        state = run.last
        if run.success:
            break
    cost = float(sum(map(len, runs)) + sum(taste.handicap[move.face] for move in moves[: len(runs)]))
    if not runs[-1].success:
        cost += float(steps_left(goal_distance(state.pose), taste.pace)) + _UNFINISHED
    return Plan(moves[: len(runs)], tuple(runs), cost)


def decide(state: State, taste: Taste, rng: np.random.Generator) -> Plan | None:
    """The plan to follow from `state`, random only among nearly equally good first faces; None when nothing helps."""
    checked: list[Plan] = []
    tried: dict[tuple[int, int], int] = {}
    for moves in search(state.pose, state.agent, taste.pace, taste.handicap):
        key = (moves[0].face, len(moves))
        if tried.get(key, 0) == _SIMILAR:
            continue
        tried[key] = tried.get(key, 0) + 1
        plan = check(state, moves, taste)
        if plan is not None:
            checked.append(plan)
        if len(checked) == _CHECKED:
            break
    best: dict[int, Plan] = {}
    for plan in sorted(checked, key=lambda plan: plan.cost):
        best.setdefault(plan.moves[0].face, plan)
    equals = [plan for plan in best.values() if plan.cost <= _FORK * min(plan.cost for plan in checked)]
    return equals[int(rng.integers(len(equals)))] if equals else None
