"""The axis `state_estimation`: states read off pictures."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import draccus
from torch import Tensor

from lerobot_dp_plus.auxiliary.base import Auxiliary, AuxiliaryModel, Surroundings


class StateEstimator(AuxiliaryModel):
    """Pictures -> states that were not measured; all of them normalised."""

    @abstractmethod
    def forward(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Pictures of every camera, each (B, T, 3, H, W) -> the estimated states, each (B, T, D), float32 or more."""


@dataclass(frozen=True)
class StateEstimation(draccus.ChoiceRegistry, Auxiliary):
    """Makes the model that reads states off pictures, or none."""


@StateEstimation.register_subclass("none")
@dataclass(frozen=True)
class NoStateEstimation(StateEstimation):
    """States are what the robot measures, and pictures reach the network themselves, if there are any."""

    def build(self, surroundings: Surroundings) -> None:
        return None
