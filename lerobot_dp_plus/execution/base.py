"""What every rule of execution offers."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import draccus
from torch import Tensor


@dataclass(frozen=True)
class Execution(draccus.ChoiceRegistry, ABC):
    """Says what is executed of the chosen chunks: which actions, and how many steps of them."""

    #: Whether `count` compares candidates, in the dataset's units. If not, it is given normalised ones.
    compares: ClassVar[bool] = False

    @property
    def keeps(self) -> int | None:
        """How many chosen chunks `blend` wants to see, the newest among them; None for all that still plan something."""
        return 1

    def blend(self, plans: Sequence[Tensor], physical: Callable[[Tensor], Tensor]) -> Tensor:
        """The chunk to execute, (B, L, A), of chosen ones (B, L_k, A), L_k <= L, the oldest first and the newest last.

        All begin at the current step and are normalised. `physical` tells actions in the dataset's units.
        """
        return plans[-1]

    @abstractmethod
    def count(self, candidates: Tensor, chosen: Tensor, most: int) -> int:
        """How many steps to execute, from 1 to `most`; one number for the whole batch.

        candidates (B, N, L, A) and the chosen chunk (B, L, A) begin at the current step. See `compares` for their units.
        """

    def check(self, candidates: int, most: int) -> None:
        """Raise a ValueError, naming the field, if it cannot work with so many candidates and at most `most` steps."""
