"""Exponential moving average of the weights, with warm-up."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


@dataclass(frozen=True)
class EmaConfig:
    """θ̄ ← d·θ̄ + (1 − d)·θ after every update, with d = min(decay, (1 + n)/(10 + n)).

    n counts the updates before this one; at n = 0, d = 0. The warm-up is that of TensorFlow's ExponentialMovingAverage.
    Without it the average of a short run would contain its random start.
    """

    enabled: bool = True
    decay: float = 0.999

    def __post_init__(self) -> None:
        if not 0 <= self.decay < 1:
            raise ValueError(
                f"ema.decay = {self.decay}: must be in [0, 1); to switch averaging off set ema.enabled=false"
            )

    @torch.no_grad()
    def _average(self, averaged: Sequence[Tensor], current: Sequence[Tensor], num_averaged: Tensor | int) -> None:
        n = float(num_averaged)
        torch._foreach_lerp_(list(averaged), list(current), 1 - min(self.decay, (1 + n) / (10 + n)))

    def build(self, model: nn.Module) -> AveragedModel:
        """A frozen copy of `model` that `update_parameters(model)` moves towards it; its counter is a buffer."""
        averaged = AveragedModel(model, multi_avg_fn=self._average)
        averaged.requires_grad_(False)
        return averaged.eval()
