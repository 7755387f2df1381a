"""What every energy offers."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import draccus
from torch import Tensor

from lerobot_dp_plus.notation import Scene


@dataclass(frozen=True)
class EnergyTerm(draccus.ChoiceRegistry, ABC):
    """How bad a chunk is. It ranks candidates, guides sampling by its gradient, and is reported; all in one formula.

    Attributes:
        weight: how much it counts in the sum `total`. A term of weight 0 is not computed.
    """

    #: Fields in which an infinite number stands for no limit.
    endless: ClassVar[frozenset[str]] = frozenset()

    weight: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            told = getattr(self, field.name)
            if field.name != "weight" and not _is_number(told, field.name in self.endless):
                legal = "be numbers" if field.name in self.endless else "be finite numbers"
                raise ValueError(f"energies.{self.name}.{field.name} = {told}: must {legal}")
        if not 0 <= self.weight < float("inf"):
            raise ValueError(f"energies.{self.name}.weight = {self.weight}: must be a number of at least 0")

    @property
    def name(self) -> str:
        """What it is called in `energies` and in what is reported."""
        return self.get_choice_name(type(self))

    @abstractmethod
    def __call__(self, chunks: Tensor, scene: Scene) -> Tensor:
        """Energies (B, N), lower is better, of chunks (B, N, H, A) in the dataset's units; differentiable in them."""

    def check(self, action_dim: int, position_dim: int) -> None:
        """Raise a ValueError, naming the field and what is legal, unless it can judge such actions and positions."""


def _is_number(value: Any, endless: bool) -> bool:
    """Whether no number of a field's value is NaN, nor infinite unless it may be `endless`."""
    if isinstance(value, list | tuple):
        return all(_is_number(each, endless) for each in value)
    return not isinstance(value, float) or (not math.isnan(value) if endless else math.isfinite(value))
