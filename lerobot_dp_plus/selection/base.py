"""What every selection offers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import draccus
from torch import Tensor

from lerobot_dp_plus.notation import Candidates


@dataclass(frozen=True)
class Selection(draccus.ChoiceRegistry, ABC):
    """Draws `candidates` chunks an observation and names the one to execute."""

    @property
    @abstractmethod
    def candidates(self) -> int:
        """N, how many chunks are sampled for each observation."""

    @property
    def energies(self) -> tuple[str, ...]:
        """Names of the energies that it asks for."""
        return ()

    @abstractmethod
    def choose(self, candidates: Candidates, tail: Tensor | None) -> Tensor:
        """The index of one candidate for each observation, (B,) int64. Their chunks begin at the current step.

        tail (B, L, A), L <= H, is what the previous chunk planned for the first L steps of these chunks. None at first.
        """

    def check(self, chunk_length: int, executed: int) -> None:
        """Raise a ValueError if nothing to choose by is left with `executed` of `chunk_length` steps executed."""


@dataclass(frozen=True)
class AmongSeveral(Selection, ABC):
    """Chooses among `num_candidates` chunks for each observation, at least two. Cost: the network at batch B·N."""

    num_candidates: int = 16

    def __post_init__(self) -> None:
        if self.num_candidates < 2:
            raise ValueError(
                f"selection.num_candidates = {self.num_candidates}: must be at least 2; for one use selection.type=first"
            )

    @property
    def candidates(self) -> int:
        return self.num_candidates
