"""What every refinement offers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import draccus
from torch import Tensor

from lerobot_dp_plus.notation import Energy, Scene

#: What is refined: every candidate before one is chosen, or the chosen one alone.
CANDIDATES, CHOSEN = "candidates", "chosen"
PLACES = (CANDIDATES, CHOSEN)


@dataclass(frozen=True)
class Refinement(draccus.ChoiceRegistry, ABC):
    """Moves chunks that are drawn to where the sum of the energies is lower."""

    @property
    @abstractmethod
    def place(self) -> str | None:
        """`CANDIDATES` or `CHOSEN`; None if nothing is refined, so that no energy is needed."""

    @abstractmethod
    def __call__(self, chunks: Tensor, scene: Scene, energy: Energy, free: Tensor | None = None) -> Tensor:
        """The chunks (B, N, H, A), in the dataset's units, moved from the current row on.

        `free` (B, N, H, A) bool says which values may be moved; all of them if None. A chunk whose energy would not fall,
        or would be no number, stays as it is.
        """
