"""What every perception offers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import draccus
from torch import Tensor, nn


class PerceptionModel(nn.Module, ABC):
    """Pictures -> states that were not measured; all of them normalised."""

    @abstractmethod
    def forward(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Pictures of every camera, each (B, T, 3, H, W) -> the estimated states, each (B, T, D), float32 or more."""

    @abstractmethod
    def loss(self, images: Mapping[str, Tensor], states: Mapping[str, Tensor]) -> Tensor:
        """Weighted error (B, T, C) of the estimates against the true states, each (B, T, D), side by side."""


@dataclass(frozen=True)
class Perception(draccus.ChoiceRegistry, ABC):
    """Makes the model that reads states off pictures, or none."""

    @abstractmethod
    def estimates(self, state_dims: Mapping[str, int]) -> tuple[str, ...]:
        """Those of these states that are estimated: wanted for training, and neither needed nor looked at in use."""

    @property
    @abstractmethod
    def pictures(self) -> int:
        """How many samples of a batch an update looks at; 0 for none."""

    @abstractmethod
    def check(self, state_dims: Mapping[str, int], cameras: Mapping[str, tuple[int, ...]], *, crops: bool) -> None:
        """Raise a ValueError, naming the field and what is legal, unless these pictures can be read.

        `crops` says whether the image encoder sees a part of a picture only, cut out at random while training.
        """

    @abstractmethod
    def build(self, see: nn.Module, width: int, state_dims: Mapping[str, int]) -> PerceptionModel | None:
        """The model on top of `see`: pictures by camera -> features (B, T, width)."""
