"""The PushT expert: follows plans in gym_pusht, keeps a plan while it works, recovers from disturbances.

What it records is made to teach, not only to succeed: one steady pace per episode at about two thirds of the fastest
that works, no dwelling, disturbances in execution while the undisturbed targets are recorded, starts close to the
goal, and random choice only among plans that are nearly equally good.
"""

from dataclasses import dataclass, field

import numpy as np

from lerobot_dp_plus.demos.pusht_features import PushTEnv
from lerobot_dp_plus.demos.pusht_model import ARENA, pose_of_block
from lerobot_dp_plus.demos.pusht_motion import Pace, targets
from lerobot_dp_plus.demos.pusht_moves import Move
from lerobot_dp_plus.demos.pusht_planner import Plan, Taste, check, decide, moved
from lerobot_dp_plus.demos.pusht_simulator import state_of

MAX_STEPS = 300  # gym_pusht's limit
_ASTRAY = 3.0  # pixels (of `goal_distance`'s kind) between the T and its prediction that call for a new decision
_OFF_COURSE = 12.0  # pixels between the agent and its prediction that call for new targets


@dataclass(frozen=True)
class Disturbance:
    """What happens to the executed targets, in pixels; the recorded targets stay undisturbed.

    jitter: standard deviation of independent noise at every step. burst: standard deviation of an offset held for a
    few steps. every: mean steps between bursts.
    """

    jitter: float = 0.0
    burst: float = 0.0
    every: float = 20.0

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
    """How one episode is played: what plans are measured with, and what disturbs their execution."""

    taste: Taste = field(default_factory=Taste)
    disturbance: Disturbance = field(default_factory=Disturbance)

    @staticmethod
    def draw(rng: np.random.Generator, disturbed: bool) -> "Style":
        """A style for one episode: pace 0.6–0.7 of full speed, a slight dislike of some faces."""
        scale = rng.uniform(0.6, 0.7)
        taste = Taste(Pace(16.0 * scale, 9.8 * scale, 6.2 * scale), rng.uniform(0, 4, 8))
        jitter, burst = (rng.uniform(1, 4), rng.uniform(8, 20)) if disturbed else (0.0, 0.0)
        return Style(taste, Disturbance(jitter, burst))


@dataclass(frozen=True)
class Episode:
    """T steps of an environment, with what was seen before each step and what came of it.

    agent (T, 2), block (T, 3) before the step · action (T, 2) float32 recorded targets · executed (T, 2) float32
    targets given to the environment, other than `action` where disturbed · coverage (T,) after the step · success.
    """

    agent: np.ndarray
    block: np.ndarray
    action: np.ndarray
    executed: np.ndarray
    coverage: np.ndarray
    success: bool

    def __len__(self) -> int:
        return len(self.action)


class _Recorder:
    """Steps the environment and keeps what an episode is made of."""

    def __init__(self, env: PushTEnv, offsets: np.ndarray) -> None:
        self.env, self.offsets, self.success = env, offsets, False
        self.rows: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]] = []

    def over(self) -> bool:
        return self.success or len(self.rows) == len(self.offsets)

    def step(self, target: np.ndarray) -> None:
        state = state_of(self.env)
        done = (target + self.offsets[len(self.rows)]).clip(0, ARENA).astype(np.float32)
        *_, info = self.env.step(done.astype(np.float64))
        self.rows.append((state.agent, state.block, target, done, float(info["coverage"])))
        self.success = bool(info["is_success"])

    def calm(self) -> bool:
        """Whether the next step is undisturbed, but for jitter: replanning amid a burst would be in vain."""
        return self.over() or float(np.abs(self.offsets[len(self.rows)]).max()) < _OFF_COURSE

    def episode(self) -> Episode:
        agent, block, action, executed, coverage = (np.array(column) for column in zip(*self.rows, strict=True))
        return Episode(agent, block, action, executed, coverage, self.success)


def play(env: PushTEnv, style: Style, rng: np.random.Generator, max_steps: int = MAX_STEPS) -> Episode | None:
    """Play on from the environment's state until the goal is covered, no plan is left, or `max_steps` are over.

    Args:
        env: a bare gym_pusht environment, just reset or anywhere in an episode, for example where a policy went
            astray; it is stepped.
        style: pace, taste and disturbances.
        rng: draws the disturbances and the choice among equals.

    Returns:
        what was recorded, successful or not; None when there was nothing to do.
    """
    recorder = _Recorder(env, style.disturbance.draw(rng, max_steps))
    rest: tuple[Move, ...] = ()
    while not recorder.over():
        state = state_of(env)
        plan = check(state, rest, style.taste) if rest else None
        if plan is None or not plan.success:
            plan = decide(state, style.taste, rng)
        if plan is None:
            break
        rest = _follow(env, plan, style, recorder)
    return recorder.episode() if recorder.rows else None


def _follow(env: PushTEnv, plan: Plan, style: Style, recorder: _Recorder) -> tuple[Move, ...]:
    """Execute a plan's first move; returns the moves worth keeping: the rest, all of them, or none."""
    move, predicted = plan.moves[0], plan.runs[0]
    before = state_of(env)
    for index, target in enumerate(targets(before, move, style.taste.pace)):
        recorder.step(target)
        if recorder.over():
            return ()
        if index >= len(predicted) or not recorder.calm():
            continue
        now = state_of(env)
        if moved(pose_of_block(predicted.block[index]), now.pose) > _ASTRAY:
            return ()
        if float(np.linalg.norm(predicted.agent[index] - now.agent)) > _OFF_COURSE:
            return plan.moves if moved(before.pose, now.pose) < _ASTRAY and not move.continuing else ()
    return plan.moves[1:]
