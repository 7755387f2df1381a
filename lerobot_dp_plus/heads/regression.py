"""Chunks predicted at once: the field's simplest baseline."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lerobot_dp_plus.heads.base import NOTHING, ElementwiseHead, Given, all_valid, decided
from lerobot_dp_plus.heads.showing import Showing
from lerobot_dp_plus.notation import Candidates, Condition
from lerobot_dp_plus.objectives import Objective


@Objective.register_subclass("regression")
@dataclass(frozen=True)
class Regression(Objective):
    """L = E‖net(o) − a‖², behaviour cloning (Pomerleau 1989) on chunks. The mean of several good ways may be a bad one."""

    head: ClassVar[str] = "regression"


@dataclass(frozen=True, eq=False)
class RegressionHead(ElementwiseHead):
    """chunk = net(0, 0, o): one call of the policy's network, with zeros where noisy chunks and times would be.

    Steps that are decided go in as they are, at the time 1, if the policy was trained with a `max_delay`. All candidates
    are the same chunk. Cost: one network call.
    """

    varies: ClassVar[bool] = False

    def _predict(self, condition: Condition, like: Tensor, shown: Tensor | None = None) -> Tensor:
        """The chunk, (B, H, A); `like` is read where it is shown."""
        nothing, start = torch.zeros_like(like), like.new_zeros(len(like))
        if shown is None:
            return self.network(nothing, start, condition)
        return Showing(self.network, like, shown, like.new_ones(()))(nothing, start, condition)

    def error(self, condition: Condition, chunk: Tensor, valid: Tensor, shown: Tensor | None = None) -> Tensor:
        return (self._predict(condition, chunk, shown).float() - chunk).square() * valid[..., None]

    def propose(self, condition: Condition, noise: Tensor, given: Given = NOTHING) -> Candidates:
        if given.shown is None or given.fixed is None:
            chunk = self._predict(condition, noise[:, 0])
        else:
            chunk = self._predict(condition, given.fixed[:, 0], given.shown[:, 0])
        chunks = chunk[:, None].to(noise.dtype).expand(noise.shape).contiguous()
        return Candidates(chunks if given.fixed is None else decided(given.fixed, chunks))

    def imitation(self, condition: Condition, chunks: Tensor, draws: int = 8, valid: Tensor | None = None) -> Tensor:
        """The mean squared distance to the one chunk that the head knows. Cost: one network call."""
        counted = (all_valid(chunks) if valid is None else valid)[:, None, :, None]
        square = (self._predict(condition, chunks[:, 0])[:, None].float() - chunks).square() * counted
        return square.sum((2, 3)) / (counted.sum((2, 3)) * chunks.shape[3]).clamp_min(1)
