"""Another light."""

from dataclasses import dataclass
from typing import Any

import torch
from lerobot.utils.constants import OBS_IMAGE

from lerobot_dp_plus.evaluation.perturbing.base import Perturbation, Untouched


class _Lit(Untouched):
    def __init__(self, factor: float):
        self._factor = factor

    def observed(self, observation: dict[str, Any]) -> dict[str, Any]:
        return {
            key: (value * self._factor).clamp(0, 1) if key.startswith(OBS_IMAGE) and torch.is_tensor(value) else value
            for key, value in observation.items()
        }


@dataclass(frozen=True)
class Brightness(Perturbation, name="brightness", unit="factor", most=10):
    """min(1, f·I) of every picture I in [0, 1]; a policy without cameras does not notice."""

    def begin(self, seed: int) -> Untouched:
        return _Lit(self.level)
