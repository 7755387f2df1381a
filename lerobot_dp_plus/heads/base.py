"""What every head offers: a loss to train a network by, and chunks proposed with it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from lerobot_dp_plus.guidance import Guidance, World
from lerobot_dp_plus.notation import Candidates, Condition, Network
from lerobot_dp_plus.objectives import Objective
from lerobot_dp_plus.samplers import Sampler


@dataclass(frozen=True, eq=False)
class Head(ABC):
    """A network and what its output means. It has no weights of its own, and is made from a config for each use.

    Args:
        network: the predictor.
        objective: what it was, or will be, trained on.
        sampler, guidance: how chunks are drawn; heads that use none of them say so in `uses`.
    """

    #: Fields of a policy's config that it uses; others must be left at their defaults.
    uses: ClassVar[frozenset[str]] = frozenset()
    #: Whether its candidates differ from each other, so that there is something to choose.
    varies: ClassVar[bool] = True

    network: Network
    objective: Any
    sampler: Sampler
    guidance: Guidance

    @classmethod  # noqa: B027  (a head may have nothing to refuse)
    def check(cls, objective: Objective, sampler: Sampler, guidance: Guidance, noise_scale: float) -> None:
        """Raise a ValueError, naming the field and what is legal, unless these fit each other."""

    @classmethod
    def deterministic(cls, sampler: Sampler) -> bool:
        """Whether the noise that a chunk starts from decides the chunk, without further draws."""
        return True

    @abstractmethod
    def loss(self, condition: Condition, chunk: Tensor, valid: Tensor) -> Tensor:
        """The loss (B,) of chunks (B, H, A), of whose actions those in `valid` (B, H) count."""

    @abstractmethod
    def propose(
        self,
        condition: Condition,
        noise: Tensor,
        world: World | None,
        generator: torch.Generator | None = None,
        fixed: Tensor | None = None,
    ) -> Candidates:
        """N chunks for each of B observations from noise (B, N, H, A).

        The condition has B rows. `world` says what is known of the scene, for guidance that needs it. `generator` is for
        samplers that draw more on the way. `fixed` (B, N, H, A) holds what is decided already, and NaN for what is not.
        """


class ElementwiseHead(Head):
    """A head whose every action has an error of its own."""

    @abstractmethod
    def error(self, condition: Condition, chunk: Tensor, valid: Tensor) -> Tensor:
        """Error of every action, (B, H, A), zero where `valid` (B, H) is False."""

    def loss(self, condition: Condition, chunk: Tensor, valid: Tensor) -> Tensor:
        """The mean error of a chunk's actions that count."""
        return mean_error(self.error(condition, chunk, valid), valid)


def decided(fixed: Tensor, drawn: Tensor) -> Tensor:
    """What is fixed, and elsewhere, where that is NaN, what is drawn."""
    return torch.where(fixed.isnan(), drawn, fixed)


def mean_error(error: Tensor, valid: Tensor) -> Tensor:
    """Mean over the actions that count, (B,), of errors (B, H, A) that are zero elsewhere."""
    return error.sum((1, 2)) / (valid.sum(1) * error.shape[2]).clamp_min(1)
