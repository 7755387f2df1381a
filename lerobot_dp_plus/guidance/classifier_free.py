"""Stress what the observation says."""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from lerobot_dp_plus.guidance.base import Guidance, Situation
from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.notation import Denoiser, FlowMap, Prediction, join_rows


@Guidance.register_subclass("classifier_free")
@dataclass(frozen=True)
class ClassifierFree(Guidance):
    """x₁ ← x₁(∅) + weight·(x₁(o) − x₁(∅)), o the observation and ∅ a dropped one.

    Ho & Salimans, arXiv 2207.12598, eq. 6, with weight = 1 + w of the paper; their ε and our x₁ give the same, as both
    are affine in each other. Weight 1 is the policy itself, 0 forgets the observation, and more than 1 leads towards
    chunks that are typical of this observation and of no other. These are not the chunks that were demonstrated:
    spread falls, and means move away from those of other observations.

    With `of=words` ∅ is the same observation without its instruction, so that it is what is said that is stressed.

    The network must have been trained with some observations dropped: `condition_dropout=0.1`; or with some sentences
    hidden: `words.dropped=0.1`, which is usual.
    Both conditions go through the network in one batch of twice the size.
    Cost: none at weight 1, otherwise the rows of a call are doubled.
    """

    weight: float = 1.0
    # What is dropped: observation, or words.
    of: str = "observation"

    def __post_init__(self) -> None:
        if self.of not in ("observation", "words"):
            raise ValueError(f"guidance.of = {self.of!r}: legal are observation, words")
        at_least("guidance", self, weight=0)

    @property
    def contrasts(self) -> bool:
        return self.weight != 1

    @property
    def drops_words(self) -> bool:
        return self.of == "words"

    def wrap(self, denoise: Denoiser, situation: Situation) -> Denoiser:
        if not self.contrasts:
            return denoise
        both = self._both(situation)
        return lambda x_t, t: self._contrasted(both(_twice(x_t), _twice(t)), situation, x_t, t)

    def wrap_flow_map(self, denoise: Denoiser, situation: Situation) -> FlowMap:
        if not self.contrasts:
            return cast(FlowMap, denoise)
        both = cast(FlowMap, self._both(situation))

        def jump(x_t: Tensor, t: Tensor, u: Tensor | None = None) -> Prediction:
            said = both(_twice(x_t), _twice(t), None if u is None else _twice(u))
            return self._contrasted(said, situation, x_t, t)

        return jump

    def _both(self, situation: Situation) -> Denoiser:
        """The denoiser of a batch whose first half has the observation and whose second half has none."""
        if situation.absent is None or situation.denoiser is None:
            raise ValueError(
                f"guidance.weight = {self.weight}: must be 1 with this policy, because it was not trained to act without "
                "an observation"
            )
        return situation.denoiser(join_rows(situation.condition, situation.absent))

    def _contrasted(self, said: Prediction, situation: Situation, x_t: Tensor, t: Tensor) -> Prediction:
        seen, unseen = (Prediction(*half) for half in zip(*(end.chunk(2) for end in said), strict=True))
        x1 = unseen.x1 + self.weight * (seen.x1 - unseen.x1)
        return situation.moved(seen, x1, x_t, t)


def _twice(rows: Tensor) -> Tensor:
    return torch.cat([rows, rows])
