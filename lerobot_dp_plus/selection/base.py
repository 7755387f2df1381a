"""What every selection offers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import draccus
import torch
from torch import Tensor


@dataclass(frozen=True)
class Selection(draccus.ChoiceRegistry, ABC):
    """Draws `candidates` chunks an observation and keeps one."""

    #: What must be known of the chunks beyond themselves; `foresight` gives it.
    needs: ClassVar[frozenset[str]] = frozenset()

    @property
    @abstractmethod
    def candidates(self) -> int:
        """N, how many chunks are sampled for each observation."""

    @abstractmethod
    def choose(self, chunks: Tensor, tail: Tensor | None, energy: Tensor | None = None) -> Tensor:
        """One of the candidates (B, N, H, A), which begin at the current step, for each observation, (B, H, A).

        tail (B, L, A), L <= H, is what the previous chunk planned for the first L steps of these; None at the start.
        energy (B, N), lower is better, is for members that need it.
        """

    def check(self, chunk_length: int, executed: int) -> None:
        """Raise a ValueError if chunks of so many steps, so many of them executed, leave nothing to choose by."""


def take(chunks: Tensor, cost: Tensor) -> Tensor:
    """The cheapest of chunks (B, N, H, A) by cost (B, N)."""
    return chunks[torch.arange(chunks.shape[0], device=chunks.device), cost.argmin(dim=1)]


def check_candidates(value: int) -> None:
    """Raise a ValueError unless there are at least two to choose from."""
    if value < 2:
        raise ValueError(f"selection.num_candidates = {value}: must be at least 2; for one use selection.type=first")
