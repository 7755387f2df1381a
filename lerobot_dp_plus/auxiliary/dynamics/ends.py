"""Where demonstrations end."""

import torch
from torch import Tensor

from lerobot_dp_plus.auxiliary.dynamics.weighting import Weighting
from lerobot_dp_plus.units import Statistics

#: Least standard deviation, in normalised units. A coordinate whose ends are all the same may still be off by this.
FLOOR = 0.01


class Ends(Statistics):
    """Mean μ and standard deviation s of the episodes' last observations, gathered while training.

    A task demands what varies least over its ends. So

        d(o) = √(Σ_d w_d ((o_d − μ_d) / s_d)² / Σ_d w_d)

    is a distance from being done, and nobody had to define it. `weighting.py` says where the weights w come from.

    Mean and sum of squares are updated as by Chan et al.
    """

    count: Tensor
    mean: Tensor
    squares: Tensor

    def __init__(self, dim: int):
        super().__init__()
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("squares", torch.zeros(dim))

    @torch.no_grad()
    def gather(self, last: Tensor) -> None:
        """Take in some last observations (M, C), normalised."""
        if not len(last):
            return
        last = last.float()
        total = self.count + len(last)
        shift = last.mean(0) - self.mean
        self.squares += (last - last.mean(0)).square().sum(0) + shift.square() * self.count * len(last) / total
        self.mean += shift * len(last) / total
        self.count += len(last)

    def check_seen(self) -> None:
        """Raise a ValueError if no ends to compare with were seen. `distance` is compiled and does not check."""
        if self.count < 2:
            raise ValueError(
                "the dynamics model has seen no end of an episode, so nothing says where a chunk should lead: train it first"
            )

    def distance(self, observation: Tensor, weighting: Weighting) -> Tensor:
        """d of observations (..., C), normalised, -> (...)."""
        spread = (self.squares / self.count).sqrt().clamp_min(FLOOR)
        weight = weighting.weigh(spread)
        return (weight / weight.sum() * ((observation - self.mean) / spread).square()).sum(-1).sqrt()
