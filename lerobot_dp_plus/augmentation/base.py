"""What every augmentation offers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import draccus
from torch import Tensor


@dataclass(frozen=True)
class Augmentation(draccus.ChoiceRegistry, ABC):
    """A random transformation of whole training samples, in the units of the dataset (before normalisation)."""

    @abstractmethod
    def check(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Raise a ValueError naming the feature if features of these shapes (images: 3, H, W) cannot be transformed."""

    @abstractmethod
    def apply(self, sample: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Transform observations and action, each (B, ..., feature), drawing from torch's global generator."""

    @abstractmethod
    def widen(self, statistics: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """Dataset statistics, their min and max widened to what `apply` may produce."""
