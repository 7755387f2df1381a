"""What every foresight offers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import draccus
from torch import Tensor, nn

from lerobot_dp_plus.foresight.units import Units


class ForesightModel(nn.Module, ABC):
    """States at t − 1 and t, each (B, 2, D), and actions from t on -> what follows; all of them normalised."""

    units: Units

    @abstractmethod
    def loss(
        self, states: Mapping[str, Tensor], actions: Tensor, future: Mapping[str, Tensor], valid: Tensor
    ) -> Tensor:
        """Weighted error (B, K, O), zero where `valid` (B, K) is False; while training, ends are gathered.

        actions (B, K, A); future holds the states at t + 1 … t + K, each (B, K, D), beyond an episode's end its last.
        """

    @abstractmethod
    def check_learned(self) -> None:
        """Raise a ValueError unless it has learned enough to tell energies."""

    @abstractmethod
    def energy(self, states: Mapping[str, Tensor], chunks: Tensor, executed: int) -> Tensor:
        """How far each chunk (B, N, L, A), of which `executed` steps will be executed, leads from a good end: (B, N)."""


@dataclass(frozen=True)
class Foresight(draccus.ChoiceRegistry, ABC):
    """Makes the model of what follows a chunk, or none."""

    @property
    @abstractmethod
    def reach(self) -> int:
        """K, how many steps of the data ahead it is trained to see; 0 for none."""

    @property
    @abstractmethod
    def gives(self) -> frozenset[str]:
        """What selections may ask of it."""

    @abstractmethod
    def check(self, state_dims: Mapping[str, int], cameras: Mapping[str, tuple[int, ...]], action_dim: int) -> None:
        """Raise a ValueError, naming the field and what is legal, unless these observations can be foreseen."""

    @abstractmethod
    def build(self, state_dims: Mapping[str, int], action_dim: int) -> ForesightModel | None:
        """The model for states of these widths, by name."""
