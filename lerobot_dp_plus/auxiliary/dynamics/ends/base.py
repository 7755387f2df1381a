"""What every model of the ends of episodes offers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import draccus
from torch import Tensor

from lerobot_dp_plus.auxiliary.dynamics.ends.context import NOTHING, Context
from lerobot_dp_plus.auxiliary.dynamics.weighting import Weighting
from lerobot_dp_plus.units import Statistics

#: Least standard deviation, in normalised units. A coordinate whose ends are all the same may still be off by this.
FLOOR = 0.01


class EndsModel(Statistics, ABC):
    """Gathers the last observations of episodes while training, and tells how far others are from them."""

    @abstractmethod
    def gather(self, last: Tensor, context: Context = NOTHING) -> None:
        """Take in some last observations (M, C), normalised, each with its context."""

    @property
    @abstractmethod
    def seen(self) -> Tensor:
        """How many ends were gathered, ()."""

    @abstractmethod
    def distance(self, observation: Tensor, weighting: Weighting, context: Context = NOTHING) -> Tensor:
        """How far observations (B, ..., C), normalised, are from where their episodes should end, (B, ...).

        It is compiled and does not check whether any end was seen.
        """

    def check_seen(self) -> None:
        """Raise a ValueError if no ends to compare with were seen."""
        if self.seen < 2:
            raise ValueError(
                "the dynamics model has seen no end of an episode, so nothing says where a chunk should lead: train it first"
            )


@dataclass(frozen=True)
class Ends(draccus.ChoiceRegistry, ABC):
    """Makes the model of where demonstrations end."""

    @property
    def reads_start(self) -> bool:
        """Whether a goal may depend on the episode's first observation."""
        return False

    @property
    def reads_words(self) -> bool:
        """Whether a goal may depend on what is said."""
        return False

    def check(self, speaks: bool) -> None:
        """Raise a ValueError unless there is something to learn from; `speaks` says whether instructions are read."""

    @abstractmethod
    def build(self, dim: int) -> EndsModel:
        """The model of ends of C = `dim` numbers."""


def spread_distance(off: Tensor, spread: Tensor, weighting: Weighting) -> Tensor:
    """Σ_d w_d (off_d / s_d)² / Σ_d w_d, the square of a distance, of (..., C) in the standard deviations (..., C)."""
    weight = weighting.weigh(spread)
    return (weight / weight.sum(-1, keepdim=True) * (off / spread).square()).sum(-1)
