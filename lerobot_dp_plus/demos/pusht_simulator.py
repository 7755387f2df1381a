"""gym_pusht's physics as a restorable checker: the same bodies and the same controller, any state, no rendering."""

from dataclasses import dataclass

import numpy as np
import pymunk
import shapely

from lerobot_dp_plus.demos.pusht_features import SUCCESS_COVERAGE, PushTEnv, pymunk_to_shapely
from lerobot_dp_plus.demos.pusht_model import goal_distance, pose_of_block

_STIFFNESS, _DAMPING = 100.0, 20.0  # the controller's gains in PushTEnv
_DT, _SUBSTEPS = 0.01, 10  # physics step in seconds, physics steps per action
_GOAL = np.array([256.0, 256.0, np.pi / 4])


@dataclass(frozen=True)
class State:
    """What PushT remembers between steps: agent position and velocity (2,), block position and angle (3,)."""

    agent: np.ndarray
    velocity: np.ndarray
    block: np.ndarray

    @property
    def pose(self) -> np.ndarray:
        """The block as a pose (3,) about its centre of gravity."""
        return pose_of_block(self.block)


@dataclass(frozen=True)
class Rollout:
    """What T targets did: agent (T, 2), velocity (T, 2) and block (T, 3) after each step; success at the end."""

    agent: np.ndarray
    velocity: np.ndarray
    block: np.ndarray
    success: bool

    def __len__(self) -> int:
        return len(self.agent)

    @property
    def last(self) -> State:
        return State(self.agent[-1], self.velocity[-1], self.block[-1])


def state_of(env: PushTEnv) -> State:
    """The state of a running environment."""
    return State(
        np.array(env.agent.position), np.array(env.agent.velocity), np.array([*env.block.position, env.block.angle])
    )


def put(agent: pymunk.Body, block: pymunk.Body, state: State) -> None:
    """Place both bodies. Angle first, then position: the other order moves the block about its centre of gravity."""
    block.angle = float(state.block[2])
    block.position = tuple(map(float, state.block[:2]))
    agent.position = tuple(map(float, state.agent))
    agent.velocity = tuple(map(float, state.velocity))


def simulate(state: State, targets: np.ndarray, stop_at: float = SUCCESS_COVERAGE) -> Rollout:
    """Run targets (T, 2) from `state` in gym_pusht's own physics, stopping when coverage exceeds `stop_at`.

    A fresh space per run leaves no stale contacts behind; no collision callback makes it several times faster
    than `env.step`.
    """
    space = pymunk.Space()
    space.damping = 0.0
    corners = [(5, 506), (5, 5), (506, 5), (506, 506)]
    space.add(*(PushTEnv.add_segment(space, corners[i], corners[(i + 1) % 4], 2) for i in range(4)))
    agent = PushTEnv.add_circle(space, (0, 0), 15)
    block, shapes = PushTEnv.add_tee(space, (0, 0), 0)
    put(agent, block, state)
    agents, velocities, blocks, success = [], [], [], False
    for x, y in np.asarray(targets, dtype=np.float64).tolist():
        for _ in range(_SUBSTEPS):
            (px, py), (vx, vy) = agent.position, agent.velocity
            agent.velocity = (
                vx + (_STIFFNESS * (x - px) - _DAMPING * vx) * _DT,
                vy + (_STIFFNESS * (y - py) - _DAMPING * vy) * _DT,
            )
            space.step(_DT)
        agents.append(agent.position)
        velocities.append(agent.velocity)
        blocks.append((*block.position, block.angle))
        if goal_distance(pose_of_block(np.array(blocks[-1]))) < 10 and coverage(block, shapes) > stop_at:
            success = True
            break
    return Rollout(np.array(agents), np.array(velocities), np.array(blocks), success)


def _goal_geometry() -> shapely.MultiPolygon:
    block, shapes = PushTEnv.add_tee(pymunk.Space(), (0, 0), 0)
    block.angle = _GOAL[2]
    block.position = tuple(_GOAL[:2])
    return pymunk_to_shapely(block, shapes)


_GOAL_GEOMETRY = _goal_geometry()


def coverage(block: pymunk.Body, shapes: list[pymunk.Shape]) -> float:
    """Share of the goal the block covers, as gym_pusht counts it."""
    return _GOAL_GEOMETRY.intersection(pymunk_to_shapely(block, shapes)).area / _GOAL_GEOMETRY.area
