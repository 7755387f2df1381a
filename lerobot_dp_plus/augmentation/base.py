"""What every augmentation offers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import draccus
from torch import Tensor

ACTION = "action"


@dataclass(frozen=True)
class Augmentation(draccus.ChoiceRegistry, ABC):
    """A random transformation of whole training samples, in the units of the dataset (before normalisation)."""

    #: How many different pictures may become of one. None is without end: then no frame comes twice, and nothing that
    #: frozen encoders saw can be kept.
    pictures_of_one: ClassVar[int | None] = None

    @abstractmethod
    def check(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Raise a ValueError naming the feature if features of these shapes (images: 3, H, W) cannot be transformed."""

    @abstractmethod
    def apply(self, sample: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Transform observations and action, each (B, ..., feature), drawing from torch's global generator."""

    @abstractmethod
    def widen(self, statistics: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """Dataset statistics, their min and max widened to what `apply` may produce."""


@dataclass(frozen=True)
class Symmetry(Augmentation, ABC):
    """An augmentation by a mirror: what is right to do in the mirror image is the mirror image of what is right to do."""

    @abstractmethod
    def image(self, sample: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The mirror image of observations and actions, each (..., feature), in the dataset's units. Its own inverse."""
