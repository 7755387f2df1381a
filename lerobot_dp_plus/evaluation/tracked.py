"""An environment of a batch with somebody who writes down what happens in its episode."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np

from lerobot_dp_plus.evaluation.signals import Signals, signals


@dataclass
class Track:
    """What happened in an episode so far; `told` and `positions` begin with the reset."""

    rewards: list[float] = field(default_factory=list)
    told: list[Signals] = field(default_factory=list)
    positions: list[np.ndarray] = field(default_factory=list)
    over: bool = False
    success: bool = False


class Tracked(gym.Wrapper):
    """Passes everything on and changes nothing.

    The outermost wrapper of one environment of a vector: it sees the last step before the vector starts the environment
    anew, and nothing after it.

    Args:
        env: as LeRobot makes it.
        environment: its `env.type`.

    Attributes:
        before: called with the environment and the number of the step, from 1, before each step of the episode.
        track: the episode that began with the newest reset with a seed.
    """

    def __init__(self, env: gym.Env, environment: str):
        super().__init__(env)
        self._environment = environment
        self.track = Track()
        self.before: Callable[[gym.Env, int], None] | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        observation, info = self.env.reset(seed=seed, options=options)
        if seed is not None:
            self.track = Track()
            self._note(0.0, observation, info)
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict]:
        if self.before is not None and not self.track.over:
            self.before(self.env, len(self.track.rewards) + 1)
        observation, reward, terminated, truncated, info = self.env.step(action)
        if not self.track.over:
            self.track.rewards.append(float(reward))
            self._note(float(reward), observation, info)
            self.track.success = self.track.success or bool(info.get("is_success", False))
            self.track.over = bool(terminated or truncated)
        return observation, reward, terminated, truncated, info

    def _note(self, reward: float, observation: Any, info: Mapping[str, Any]) -> None:
        self.track.told.append(signals(self._environment, reward, info))
        if isinstance(observation, Mapping) and "agent_pos" in observation:
            self.track.positions.append(np.asarray(observation["agent_pos"], dtype=float))
