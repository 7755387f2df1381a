"""Chunks predicted at once: the field's simplest baseline."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from lerobot_dp_plus.heads.at_once import at_once, given_at_once
from lerobot_dp_plus.heads.base import NOTHING, ElementwiseHead, Given, all_valid, decided
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

    def error(self, condition: Condition, chunk: Tensor, valid: Tensor, shown: Tensor | None = None) -> Tensor:
        return (at_once(self.network, condition, chunk, shown).float() - chunk).square() * valid[..., None]

    def propose(self, condition: Condition, noise: Tensor, given: Given = NOTHING) -> Candidates:
        chunk = given_at_once(self.network, condition, noise, given)
        chunks = chunk[:, None].to(noise.dtype).expand(noise.shape).contiguous()
        return Candidates(chunks if given.fixed is None else decided(given.fixed, chunks))

    def imitation(self, condition: Condition, chunks: Tensor, draws: int = 8, valid: Tensor | None = None) -> Tensor:
        """The mean squared distance to the one chunk that the head knows. Cost: one network call."""
        counted = (all_valid(chunks) if valid is None else valid)[:, None, :, None]
        square = (at_once(self.network, condition, chunks[:, 0])[:, None].float() - chunks).square() * counted
        return square.sum((2, 3)) / (counted.sum((2, 3)) * chunks.shape[3]).clamp_min(1)
