"""One run of one environment, step by step, and what the policy has observed of it."""

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from lerobot_dp_plus.evaluation.scenes import ARENA, make_pusht, obs_type_of, place
from lerobot_dp_plus.forward_maps import ForwardMap, PushT
from lerobot_dp_plus.policies.acting import Loaded, batched
from lerobot_dp_plus.policies.history import ObservationHistory
from lerobot_dp_plus.policies.numbers import as_weights
from lerobot_dp_plus.units import ACTION

__all__ = ["AGENT_RADIUS", "ARENA", "Arena", "Run", "forward_of"]

AGENT_RADIUS = 15.0


class Run:
    """A run, the frames that the policy has seen of it, and the action that was executed last.

    Args:
        loaded: a policy of this package, and its processors.
        env: gives observations as LeRobot's environments name them.
        seed: environment seed of the run.

    Raises:
        ValueError: the policy does not fit the environment.
    """

    def __init__(self, loaded: Loaded, env: gym.Env, seed: int):
        config = loaded.policy.config
        (wanted,), (takes,) = config.action_feature.shape, env.action_space.shape  # type: ignore[misc]
        if wanted != takes:
            raise ValueError(f"this policy's actions have {wanted} dimensions, and this environment takes {takes}")
        self._loaded, self._env = loaded, env
        self.reset(seed)

    def reset(self, seed: int) -> None:
        """Start the run of an environment seed."""
        config = self._loaded.policy.config
        shapes, spoken = config.observed_features, config.spoken_features
        begins = tuple(shapes) if config.dynamics.reads_start else ()
        self._history = ObservationHistory(shapes, config.n_obs_steps, config.observation_stride, None, spoken, begins)
        self.last: np.ndarray | None = None
        self.steps, self.success, self.over = 0, False, False
        self._see(*self._env.reset(seed=seed))

    def step(self, action: np.ndarray) -> None:
        """Execute an action (A,), in the dataset's units."""
        action = np.asarray(action, dtype=np.float32)
        observation, _, terminated, truncated, info = self._env.step(action)
        self.steps, self.success = self.steps + 1, bool(info.get("is_success", False))
        self.last, self.over = action, bool(terminated or truncated)
        self._see(observation, info)

    def window(self) -> dict[str, Tensor]:
        """What the policy has observed, normalised, (1, T_o, ...), and the action that was executed last, (1, 1, A)."""
        window = self._history.window()
        if self.last is None:
            return window
        normalised = self._loaded.policy.model.units.normalised(ACTION, torch.as_tensor(self.last))
        return {**window, ACTION: normalised.reshape(1, 1, -1)}

    def picture(self) -> np.ndarray:
        """The scene, (S, S, 3) uint8."""
        return np.asarray(self._env.render())

    def close(self) -> None:
        """Let go of the simulator."""
        self._env.close()

    def _see(self, observation: dict[str, np.ndarray], info: dict[str, Any]) -> None:
        policy = self._loaded.policy
        self.observation = observation
        if policy.config.spoken_features:
            said: Any = getattr(self._env, "task_description", "")
            self.observation = {**observation, "task": said}
        batch = self._loaded.preprocess(batched(self.observation, policy.config)[0])
        self._history.see(as_weights(policy.model, batch, policy.config.observed_features))


class Arena(Run):
    """PushT, seen without the marks that gym-pusht draws.

    Attributes:
        agent: where it is, (2,), in pixels.
        coverage: which share of its goal the T covers.
    """

    def __init__(self, loaded: Loaded, seed: int):
        self._canvas = make_pusht(obs_type_of(loaded))
        super().__init__(loaded, make_pusht(obs_type_of(loaded)), seed)

    def picture(self) -> np.ndarray:
        place(self._canvas, self.agent, self._block[:2], self._block[2])  # type: ignore[arg-type]
        return np.asarray(self._canvas.render())

    def close(self) -> None:
        super().close()
        self._canvas.close()

    def _see(self, observation: dict[str, np.ndarray], info: dict[str, Any]) -> None:
        self.agent, self._block = np.asarray(info["pos_agent"]), np.asarray(info["block_pose"])
        self.coverage = float(self._env.unwrapped._get_coverage())  # type: ignore[attr-defined]
        super()._see(observation, info)


def forward_of(config: Any) -> ForwardMap:
    """PushT's controller if the policy can serve it, else what its config says."""
    try:
        forward = PushT()
        forward.check(2, config.low_dimensional_features, config.n_obs_steps, config.observation_stride)
    except ValueError:
        return config.forward
    return forward
