"""What every visual tokenizer offers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import draccus
from torch import Tensor

from lerobot_dp_plus.units import Statistics


class Tokenizer(Statistics, ABC):
    """Crops (B, 3, S, S) <-> latents (B, K), in float32.

    Attributes:
        ready: () bool, whether it has learned; until then it must not be asked.
    """

    ready: Tensor

    @abstractmethod
    def learn(self, crops: Tensor) -> None:
        """See crops of the training data, until it is ready. Then it stays as it is."""

    @abstractmethod
    def encode(self, crops: Tensor) -> Tensor:
        """(B, 3, S, S) -> (B, K), of unit variance over the crops that it learned from."""

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """(B, K) -> (B, 3, S, S)."""


@dataclass(frozen=True)
class TokenizerConfig(draccus.ChoiceRegistry, ABC):
    """How crops become latents.

    Every member has a field `size`: S, pixels of a crop's side.
    """

    if TYPE_CHECKING:  # a field of the members
        size: int = 16

    @classmethod
    def default_choice_name(cls) -> str:
        """The member that is meant without a type."""
        return "pca"

    @property
    @abstractmethod
    def latents(self) -> int:
        """K, numbers of a crop."""

    @abstractmethod
    def build(self) -> Tokenizer:
        """The tokenizer, which has learned nothing yet."""
