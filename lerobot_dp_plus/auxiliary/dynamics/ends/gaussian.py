"""Where demonstrations end: in one place, but for what does not matter."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lerobot_dp_plus.auxiliary.dynamics.ends.base import FLOOR, Ends, EndsModel
from lerobot_dp_plus.auxiliary.dynamics.ends.context import NOTHING, Context
from lerobot_dp_plus.auxiliary.dynamics.ends.noticing import Noticing
from lerobot_dp_plus.auxiliary.dynamics.weighting import Weighting


@Ends.register_subclass("gaussian")
@dataclass(frozen=True)
class Gaussian(Ends):
    """One mean and standard deviation: the goal is the same in every episode."""

    def build(self, dim: int) -> "GaussianEnds":
        return GaussianEnds(dim)


class GaussianEnds(EndsModel):
    """Mean μ and standard deviation s of the episodes' last observations, gathered while training.

    A task demands what varies least over its ends. So

        d(o) = √(Σ_d w_d ((o_d − μ_d) / s_d)² / Σ_d w_d)

    is a distance from being done, and nobody had to define it. `weighting.py` says where the weights w come from.

    Mean and sum of squares are updated as by Chan et al. Where one Gaussian does not fit, the training is told once.
    """

    count: Tensor
    mean: Tensor
    squares: Tensor

    def __init__(self, dim: int):
        super().__init__()
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("squares", torch.zeros(dim))
        self._noticing = Noticing(dim)  # of this process, and not saved

    @property
    def seen(self) -> Tensor:
        return self.count

    @torch.no_grad()
    def gather(self, last: Tensor, context: Context = NOTHING) -> None:
        if not len(last):
            return
        last = last.float()
        total = self.count + len(last)
        shift = last.mean(0) - self.mean
        self.squares += (last - last.mean(0)).square().sum(0) + shift.square() * self.count * len(last) / total
        self.mean += shift * len(last) / total
        self.count += len(last)
        self._noticing.look(last, context.words)

    def distance(self, observation: Tensor, weighting: Weighting, context: Context = NOTHING) -> Tensor:
        spread = (self.squares / self.count).sqrt().clamp_min(FLOOR)
        weight = weighting.weigh(spread)
        return (weight / weight.sum() * ((observation - self.mean) / spread).square()).sum(-1).sqrt()
