"""How much each coordinate of an end counts."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import draccus
import torch
from torch import Tensor

#: Standard deviation of a coordinate of which nothing is known: uniform over the normalised range [−1, 1].
UNKNOWN = 3**-0.5


@dataclass(frozen=True)
class Weighting(draccus.ChoiceRegistry, ABC):
    """Weights of the coordinates in `Ends.distance`."""

    @abstractmethod
    def weigh(self, spread: Tensor) -> Tensor:
        """Weights (C,), none negative and some positive, from the ends' standard deviations (C,), normalised."""


@Weighting.register_subclass("information")
@dataclass(frozen=True)
class Information(Weighting):
    """w_d = max(0, log(S / s_d)), S = 1/√3: what the end of an episode tells of coordinate d, in nats.

    This is the difference of two Gaussians' entropies. Source: our own.
    """

    def weigh(self, spread: Tensor) -> Tensor:
        # Slightly above zero, so that all coordinates count alike if the ends tell nothing of any of them.
        return (UNKNOWN / spread).log().clamp_min(1e-6)


@Weighting.register_subclass("equal")
@dataclass(frozen=True)
class Equal(Weighting):
    """w_d = 1.

    Then a robot near to where demonstrators leave it counts as much as the last millimetres of its task. The robot is
    the safer of the two to predict.
    """

    def weigh(self, spread: Tensor) -> Tensor:
        return torch.ones_like(spread)
