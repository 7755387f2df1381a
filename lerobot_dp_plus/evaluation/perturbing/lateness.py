"""Observations that come late, or not at all."""

from collections import deque
from dataclasses import dataclass
from typing import Any

import torch

from lerobot_dp_plus.evaluation.perturbing.base import Perturbation, Untouched


class _Late(Untouched):
    def __init__(self, steps: int):
        self._frames: deque[dict[str, Any]] = deque(maxlen=steps + 1)

    def observed(self, observation: dict[str, Any]) -> dict[str, Any]:
        self._frames.append(observation)
        return self._frames[0]


class _Lossy(Untouched):
    def __init__(self, share: float, seed: int):
        self._share, self._before = share, None
        self._random = torch.Generator().manual_seed(seed)

    def observed(self, observation: dict[str, Any]) -> dict[str, Any]:
        before: dict[str, Any] | None = self._before
        if before is not None:
            first = next(value for value in observation.values() if torch.is_tensor(value))
            lost = torch.rand(len(first), generator=self._random) < self._share
            observation = {
                key: torch.where(lost.view(-1, *[1] * (value.dim() - 1)), before[key], value)
                if torch.is_tensor(value)
                else value
                for key, value in observation.items()
            }
        self._before = observation  # type: ignore[assignment]
        return observation


@dataclass(frozen=True)
class Delay(Perturbation, name="delay", unit="control steps"):
    """The policy sees the frame of d steps before; at the start of an episode, its first one."""

    def begin(self, seed: int) -> Untouched:
        return _Late(int(self.level))


@dataclass(frozen=True)
class DroppedFrames(Perturbation, name="dropped_frames", unit="probability that a frame is lost", most=1):
    """Each frame of each episode is lost with probability p; the first one never is."""

    def begin(self, seed: int) -> Untouched:
        return _Lossy(self.level, seed)
