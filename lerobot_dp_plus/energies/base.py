"""What every energy offers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import draccus
from torch import Tensor

from lerobot_dp_plus.notation import Scene


@dataclass(frozen=True)
class EnergyTerm(draccus.ChoiceRegistry, ABC):
    """How bad a chunk is. It ranks candidates, guides sampling by its gradient, and is reported; all in one formula."""

    @abstractmethod
    def __call__(self, chunks: Tensor, scene: Scene) -> Tensor:
        """Energies (B, N), lower is better, of chunks (B, N, H, A) in the dataset's units; differentiable in them."""

    def check(self, action_dim: int) -> None:
        """Raise a ValueError, naming the field and what is legal, unless it can judge actions of so many dimensions."""


@EnergyTerm.register_subclass("none")
@dataclass(frozen=True)
class NoEnergy(EnergyTerm):
    """E = 0: nothing is preferred, and nothing is computed unless asked for."""

    def __call__(self, chunks: Tensor, scene: Scene) -> Tensor:
        return chunks.new_zeros(chunks.shape[:2])
