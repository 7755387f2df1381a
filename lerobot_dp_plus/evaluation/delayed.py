"""A policy that is late: a robot goes on with its plan while the next chunk is computed, in simulated time."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lerobot_dp_plus.policies.episode import Episode
from lerobot_dp_plus.policies.numbers import as_weights


class Delayed:
    """A policy whose chunk for the observation of step t takes over at step t + `delay`.

    It stands in for the policy in `Loaded`, to measure in an environment that waits what a real one would not wait for. The
    first chunk of an episode is there at once, as a robot does not start without one.

    Args:
        policy: one of this package, whose `real_time` says how chunks go on from the plan.
        delay: d, control steps from an observation to the chunk that was drawn for it.
        every: s, control steps from one such observation to the next.
        frames_between: whether the policy sees the frames of every step. LeRobot's engine shows it only those it draws chunks
            for.

    Attributes:
        seams: the steps at which a new chunk took over.
        chunks: how many chunks were drawn.

    Raises:
        ValueError: not d ≤ s ≤ L − d with chunks of L steps, so that the plan would end before the next chunk is there; or
            the policy's actions are relative to a state.
    """

    def __init__(self, policy: Any, delay: int, every: int, frames_between: bool = True):
        if policy.config.use_relative_actions:
            raise ValueError(
                "use_relative_actions = true: this plan would not move with the state; use LeRobot's engine"
            )
        length = policy.config.chunk_length
        if not 0 <= delay <= every <= length - delay or every < 1:
            raise ValueError(
                f"delay = {delay}, every = {every}: must be delay <= every <= {length} − delay, as chunks have {length} steps, "
                "and every at least 1"
            )
        self._policy, self.delay, self.every = policy, delay, every
        self._frames_between = frames_between
        self.reset()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._policy, name)

    def reset(self) -> None:
        """Start an episode."""
        self._policy.reset()
        self._history = Episode.of(self._policy.config).history
        self._plan: Tensor | None = None
        self._coming: Tensor | None = None
        self._at = self._step = self._asked = 0
        self.seams: list[int] = []
        self.chunks = 0

    @torch.no_grad()
    def select_action(self, batch: Mapping[str, Tensor]) -> Tensor:
        """The action (B, A) of this control step; to be called at every one."""
        self._history.see(as_weights(self._policy.model, batch, self._policy.config.observed_features))
        since = self._step - self._asked
        if self._coming is not None and since == self.delay:
            self._take_over(self._coming, self.delay)
        if self._plan is None:
            self._plan = self._drawn(batch)
        elif since == self.every:
            chunk = self._drawn(batch, inference_delay=self.delay, prev_chunk_left_over=self._plan[:, self._at :])
            if self.delay:
                self._coming = chunk
            else:
                self._take_over(chunk, 0)
        action = self._plan[:, self._at]
        self._at, self._step = self._at + 1, self._step + 1
        return action

    def _drawn(self, batch: Mapping[str, Tensor], **told: Any) -> Tensor:
        self._asked, self.chunks = self._step, self.chunks + 1
        return self._policy.predict_action_chunk(self._history.window() if self._frames_between else batch, **told)

    def _take_over(self, chunk: Tensor, at: int) -> None:
        self._plan, self._at, self._coming = chunk, at, None
        self.seams.append(self._step)
