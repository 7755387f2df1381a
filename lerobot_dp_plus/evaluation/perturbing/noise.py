"""Gaussian noise on what is observed, or on what is done; new at every step."""

from dataclasses import dataclass
from typing import Any

import torch
from lerobot.utils.constants import OBS_ENV_STATE, OBS_STATE
from torch import Tensor

from lerobot_dp_plus.evaluation.perturbing.base import Perturbation, Untouched


class _Noisy(Untouched):
    def __init__(self, size: float, seed: int, on_states: bool):
        self._size, self._on_states = size, on_states
        self._random = torch.Generator().manual_seed(seed)

    def seen(self, batch: dict[str, Any]) -> dict[str, Any]:
        if not self._on_states:
            return batch
        return {
            key: self._noised(value) if key.startswith((OBS_STATE, OBS_ENV_STATE)) and torch.is_tensor(value) else value
            for key, value in batch.items()
        }

    def decided(self, action: Tensor) -> Tensor:
        return action if self._on_states else self._noised(action)

    def _noised(self, value: Tensor) -> Tensor:
        drawn = torch.randn(value.shape, generator=self._random)
        return value + self._size * drawn.to(value)


@dataclass(frozen=True)
class ObservationNoise(Perturbation, name="observation_noise", unit="σ of the noise, in normalised units", most=10):
    """o + σ·ε, ε ~ N(0, I). Normalised by least and largest value, 1 is half the range of the data."""

    def begin(self, seed: int) -> Untouched:
        return _Noisy(self.level, seed, on_states=True)


@dataclass(frozen=True)
class ActionNoise(Perturbation, name="action_noise", unit="σ of the noise, in normalised units", most=10):
    """a + σ·ε, ε ~ N(0, I)."""

    def begin(self, seed: int) -> Untouched:
        return _Noisy(self.level, seed, on_states=False)
