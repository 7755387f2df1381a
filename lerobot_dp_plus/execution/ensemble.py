"""A mean over all chunks that planned a step."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lerobot_dp_plus.execution.base import Execution
from lerobot_dp_plus.legal import at_least

#: Weights e⁻ᵐ beyond this are zero in any floating type that is used here.
LIMIT = 700.0


@Execution.register_subclass("ensemble")
@dataclass(frozen=True)
class Ensemble(Execution):
    """a_t = Σ_i w_i a_t⁽ⁱ⁾ / Σ_i w_i,  w_i = exp(−m·i), over the chunks that planned step t, i = 0 the oldest of them.

    Temporal ensembling of ACT, Zhao et al., arXiv 2304.13705: a new chunk at every step, and a mean that smooths what is
    executed. With m > 0 the oldest counts most. m → ∞ executes the oldest chunk to its end, m → −∞ the newest alone.

    The mean of two ways around an obstacle leads into it. `radius` keeps to one way: only chunks count that are near the
    newest one over the steps that both plan, by their root mean square distance. Without it, chunks of different modes
    are mixed, which is as published. Means of chunks that keep clear of obstacles need not, so both are refused together.

    Every member of a batch has a mean of its own. The chunks are those that the selection chose. What is blended is the
    plan from then on: `tail`, and the last action that is told to energies, are of what was executed.

    Cost: a chunk at every `every` steps instead of every n_action_steps, so with 1 as many times the network calls.

    Attributes:
        m: how much older chunks count; 0 counts all alike.
        chunks: how many are kept, the newest among them; None for all that still plan the step.
        radius: in the dataset's units; None for no limit.
        every: steps from one chunk to the next.
    """

    m: float = 0.01
    chunks: int | None = None
    radius: float | None = None
    every: int = 1

    def __post_init__(self) -> None:
        if not abs(self.m) <= LIMIT:
            raise ValueError(
                f"execution.m = {self.m}: must be from {-LIMIT:g}, which takes the newest chunk alone, to {LIMIT:g}, which "
                "takes the oldest"
            )
        if self.chunks is not None and self.chunks < 1:
            raise ValueError(f"execution.chunks = {self.chunks}: must be at least 1, or null for all")
        if self.radius is not None and not self.radius >= 0:
            raise ValueError(
                f"execution.radius = {self.radius}: must be at least 0, in the units of the actions, or null"
            )
        at_least("execution", self, every=1)

    @property
    def keeps(self) -> int | None:
        return self.chunks

    def check(self, candidates: int, most: int) -> None:
        if self.every > most:
            raise ValueError(f"execution.every = {self.every}: must be at most n_action_steps = {most}")

    def count(self, candidates: Tensor, chosen: Tensor, most: int) -> int:
        return self.every

    def blend(self, plans: Sequence[Tensor], physical: Callable[[Tensor], Tensor]) -> Tensor:
        newest = plans[-1]
        near = torch.stack([self._near(plan, newest, physical) for plan in plans], 1)  # (B, K)
        lengths = torch.tensor([plan.shape[1] for plan in plans], device=newest.device)
        planned = torch.arange(newest.shape[1], device=newest.device) < lengths[:, None]  # (K, L)
        counted = near[:, :, None] & planned  # (B, K, L)
        age = -self.m * torch.arange(len(plans), dtype=newest.dtype, device=newest.device)
        weights = age[:, None].expand_as(planned).masked_fill(~counted, -math.inf).softmax(1)  # (B, K, L)
        # Differences, so that chunks that agree give themselves, whatever the weights are rounded to.
        away = torch.zeros_like(newest)
        for k, plan in enumerate(plans):
            length = plan.shape[1]
            away[:, :length] += weights[:, k, :length, None] * (plan - newest[:, :length])
        return newest + away

    def _near(self, plan: Tensor, newest: Tensor, physical: Callable[[Tensor], Tensor]) -> Tensor:
        """Whether a plan counts, (B,)."""
        if self.radius is None or plan is newest:
            return torch.ones(len(plan), dtype=torch.bool, device=plan.device)
        apart = physical(plan) - physical(newest[:, : plan.shape[1]])
        return apart.square().sum(-1).mean(1).sqrt() <= self.radius
