"""Where demonstrations end."""

import torch
from torch import Tensor, nn

#: Least standard deviation, in normalised units: a coordinate that ends everywhere the same may still be off by this.
FLOOR = 0.01
#: Standard deviation of a coordinate of which nothing is known: uniform over the normalised range [−1, 1].
UNKNOWN = 3**-0.5
#: How the coordinates of an end count.
WEIGHTINGS = ("information", "equal")


class Ends(nn.Module):
    """Mean μ and standard deviation s of the episodes' last observations, gathered while training.

    What a task demands is what varies least over its ends, so

        d(o) = √(Σ_d w_d ((o_d − μ_d) / s_d)² / Σ_d w_d),   w_d = max(0, log(S / s_d)),  S = 1/√3

    is a distance from being done that nobody had to define. w_d is what knowing that an episode ended tells of coordinate
    d, in nats. With equal weights a robot near to where demonstrators leave it counts for as much as the last
    millimetres of its task, and is the safer of the two to foresee.

    Chan et al.'s update of mean and sum of squares.
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

    def distance(self, observation: Tensor, weighting: str = WEIGHTINGS[0]) -> Tensor:
        """d of observations (..., C), normalised, -> (...); all w_d = 1 if the weighting is `equal`.

        Raises:
            ValueError: no end has been seen yet.
        """
        if self.count < 2:
            raise ValueError(
                "foresight has seen no end of an episode, so nothing says where a chunk should lead: train it first"
            )
        spread = (self.squares / self.count).sqrt().clamp_min(FLOOR)
        weight = torch.ones_like(spread)
        if weighting == "information":
            # Where ends tell of no coordinate, all count alike.
            weight = (UNKNOWN / spread).log().clamp_min(1e-6)
        return (weight / weight.sum() * ((observation - self.mean) / spread).square()).sum(-1).sqrt()
