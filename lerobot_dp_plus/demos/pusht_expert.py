"""The PushT expert: plans by search, checks plans exactly, keeps a plan while it works, recovers from disturbances.

What it records is made to teach, not only to succeed: one steady pace per episode at about two thirds of the fastest
that works, no dwelling, disturbances in execution while the undisturbed targets are recorded, starts close to the
goal, and random choice only among plans that are nearly equally good.
"""

from dataclasses import dataclass, field

import numpy as np

from lerobot_dp_plus.demos.pusht_features import SUCCESS_COVERAGE
from lerobot_dp_plus.demos.pusht_model import GYRATION, goal_distance
from lerobot_dp_plus.demos.pusht_motion import Pace, targets
from lerobot_dp_plus.demos.pusht_moves import Move
from lerobot_dp_plus.demos.pusht_search import Plan, search, steps_left
from lerobot_dp_plus.demos.pusht_simulator import Rollout, State, simulate

MAX_STEPS = 300  # gym_pusht's limit
_SECURE = SUCCESS_COVERAGE + 0.002  # coverage demanded of a checked plan, so that rounding cannot lose it
_CHECKED = 10  # plans run exactly per decision
_FORK = 1.08  # plans within this factor of the best are equally good
_LEAST = 1.0  # pixels (of `goal_distance`'s kind) a checked move must move the T


@dataclass(frozen=True)
class Disturbance:
    """What happens to the executed targets, in pixels; the recorded targets stay undisturbed.

    jitter: standard deviation of independent noise at every step. burst: standard deviation of a constant offset held
    for a few steps. every: mean steps between bursts.
    """

    jitter: float = 0.0
    burst: float = 0.0
    every: float = 25.0

    def draw(self, rng: np.random.Generator, steps: int) -> np.ndarray:
        """Offsets (steps, 2) to add to the targets."""
        offsets = rng.normal(0, 1, (steps, 2)) * self.jitter
        start = 0.0
        while self.burst > 0:
            start += 4 + rng.exponential(self.every)
            if start >= steps:
                break
            first, length = int(start), int(rng.integers(3, 8))
            offsets[first : first + length] += rng.normal(0, 1, 2) * self.burst
            start += length
        return offsets


@dataclass(frozen=True)
class Style:
    """How one episode is played: pace, taste (8,) in steps per face, disturbances."""

    pace: Pace = Pace(10.0, 6.2, 4.0)
    handicap: np.ndarray = field(default_factory=lambda: np.zeros(8))
    disturbance: Disturbance = Disturbance()


@dataclass(frozen=True)
class Episode:
    """T steps: targets recorded and targets executed, (T, 2) float32 each, and whether they reached the goal."""

    action: np.ndarray
    executed: np.ndarray
    success: bool


@dataclass(frozen=True)
class Checked:
    """A plan run exactly: one roll-out per move, total cost in steps."""

    plan: Plan
    runs: tuple[Rollout, ...]
    cost: float

    @property
    def success(self) -> bool:
        return self.runs[-1].success


def check(state: State, moves: tuple[Move, ...], pace: Pace) -> Checked | None:
    """Run moves exactly from `state`; None when the first of them moves the T by less than a pixel."""
    runs: list[Rollout] = []
    start = state
    for move in moves:
        run = simulate(state, targets(state, move, pace), _SECURE)
        runs.append(run)
        if len(runs) == 1 and not run.success and _moved(start, run.last) < _LEAST:
            return None
        if run.success:
            break
        state = run.last
    steps = sum(map(len, runs))
    cost = steps if runs[-1].success else steps + float(steps_left(goal_distance(state.pose), pace)) + 10
    return Checked(Plan(moves[: len(runs)], steps, cost), tuple(runs), cost)


def _moved(one: State, two: State) -> float:
    """How far the T moved, in the pixels of `goal_distance`."""
    change = two.pose - one.pose
    return float(np.hypot(np.linalg.norm(change[:2]), GYRATION * change[2]))


def decide(state: State, style: Style, rng: np.random.Generator) -> Checked | None:
    """The plan to follow from `state`: exactly checked, random only among nearly equally good first contacts."""
    plans = search(state.pose, state.agent, style.pace, style.handicap)
    checked: list[Checked] = []
    per_face: dict[tuple[int, int], int] = {}
    for plan in plans:
        key = (plan.moves[0].face, len(plan.moves))
        if per_face.get(key, 0) >= 3:
            continue
        result = check(state, plan.moves, style.pace)
        if result is not None:
            per_face[key] = per_face.get(key, 0) + 1
            checked.append(result)
        if len(checked) == _CHECKED:
            break
    if not checked:
        return None
    taste = [sum(style.handicap[move.face] for move in result.plan.moves) for result in checked]
    costs = np.array([result.cost for result in checked]) + taste
    best_per_face: dict[int, int] = {}
    for index in np.argsort(costs):
        best_per_face.setdefault(checked[index].plan.moves[0].face, int(index))
    equals = [index for index in best_per_face.values() if costs[index] <= _FORK * costs.min()]
    return checked[int(rng.choice(equals))]


def play(state: State, style: Style, rng: np.random.Generator, max_steps: int = MAX_STEPS) -> Episode:
    """Play from `state` until the goal is covered, no plan is left, or `max_steps` are over."""
    actions: list[np.ndarray] = []
    executed: list[np.ndarray] = []
    steps, success = 0, False
    rest: tuple[Move, ...] = ()
    while steps < max_steps and not success:
        kept = check(state, rest, style.pace) if rest else None
        if kept is None or not kept.success:
            kept = decide(state, style, rng)
        if kept is None:
            break
        wanted = targets(state, kept.plan.moves[0], style.pace)[: max_steps - steps]
        done = (wanted + style.disturbance.draw(rng, len(wanted))).clip(0, 512).astype(np.float32)
        run = simulate(state, done, _SECURE)
        actions.append(wanted[: len(run)])
        executed.append(done[: len(run)])
        steps, success, state = steps + len(run), run.success, run.last
        rest = kept.plan.moves[1:]
    if not actions:
        return Episode(np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32), False)
    return Episode(np.concatenate(actions), np.concatenate(executed), success)
