"""How long a policy takes for each action of a roll-out, and which plans it makes there."""

import time
from typing import Any

import numpy as np

from lerobot_dp_plus.evaluation.perturbing.base import Untouched
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.units import ACTION


class Clock:
    """The processors of a policy, with a look at the time from an observation to its action, and at new plans.

    What makes an episode harder acts here as well, and takes no time of the policy's.

    Attributes:
        seconds: of every step, for the whole batch.
    """

    def __init__(self, policy: Any, preprocess: Any, postprocess: Any, harder: Untouched):
        self._policy, self._preprocess, self._postprocess = policy, preprocess, postprocess
        self._harder = harder
        self.seconds: list[float] = []
        self._newest: Any = None
        self._plans: list[np.ndarray] = []
        self._plan_steps: list[int] = []

    def preprocess(self, observation: Any) -> Any:
        """The clock starts."""
        observation = self._harder.observed(observation)
        self._begun = time.perf_counter()
        return self._harder.seen(self._preprocess(observation))

    def postprocess(self, action: Any) -> Any:
        """The clock stops when the action is on the CPU."""
        done = self._postprocess(self._harder.decided(action))
        done.to("cpu")
        self.seconds.append(time.perf_counter() - self._begun)
        self._see_plan()
        return done

    @property
    def plans(self) -> dict[str, np.ndarray]:
        """`plans` (P, B, L, 2) in the data's units and `plan_steps` (P,), where actions are points of a plane."""
        if not self._plans:
            return {}
        shortest = min(each.shape[1] for each in self._plans)
        plans = np.stack([each[:, :shortest] for each in self._plans]).astype(np.float32)
        return {"plans": plans, "plan_steps": np.array(self._plan_steps)}

    def _see_plan(self) -> None:
        """Keep a plan of ours that is new; other policies do not tell."""
        config = getattr(self._policy, "config", None)
        if not isinstance(config, DpPlusConfig) or tuple(config.action_feature.shape) != (2,):  # type: ignore[union-attr]
            return
        replan = self._policy.episode.replan
        if replan is not None and replan is not self._newest:
            self._newest = replan
            units = self._policy._averaged_model.units
            self._plans.append(units.physical(ACTION, replan.chosen.chunks[:, 0]).cpu().numpy())
            self._plan_steps.append(len(self.seconds) - 1)
