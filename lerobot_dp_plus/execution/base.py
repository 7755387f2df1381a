"""What every rule of execution offers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import draccus
from torch import Tensor


@dataclass(frozen=True)
class Execution(draccus.ChoiceRegistry, ABC):
    """Says how many steps of the chosen chunk are executed."""

    #: Whether it compares candidates, in the dataset's units. If not, `count` is not called.
    compares: ClassVar[bool] = False

    @abstractmethod
    def count(self, candidates: Tensor, chosen: Tensor, most: int) -> int:
        """How many steps to execute, from 1 to `most`; one number for the whole batch.

        candidates (B, N, L, A) and chosen (B, L, A) begin at the current step and are in the dataset's units.
        """

    def check(self, candidates: int, most: int) -> None:
        """Raise a ValueError, naming the field, if it cannot work with so many candidates and at most `most` steps."""
