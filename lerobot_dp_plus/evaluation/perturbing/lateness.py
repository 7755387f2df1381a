"""Observations that come late, or not at all."""

from collections import deque
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from lerobot_dp_plus.evaluation.perturbing.base import Perturbation, Untouched, register, whole, within


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


@register
@dataclass(frozen=True)
class Delay(Perturbation):
    """The policy sees the frame of d steps before; at the start of an episode, its first one."""

    name: ClassVar[str] = "delay"
    unit: ClassVar[str] = "control steps"

    def __post_init__(self) -> None:
        whole(self, 0)

    def begin(self, seed: int) -> Untouched:
        return _Late(int(self.level))


@register
@dataclass(frozen=True)
class DroppedFrames(Perturbation):
    """Each frame of each episode is lost with probability p; the first one never is."""

    name: ClassVar[str] = "dropped_frames"
    unit: ClassVar[str] = "probability that a frame is lost"

    def __post_init__(self) -> None:
        within(self, 0, 1)

    def begin(self, seed: int) -> Untouched:
        return _Lossy(self.level, seed)
