"""What every head offers: a loss to train a network by, and chunks proposed with it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Unpack

import torch
from torch import Tensor

from lerobot_dp_plus.guidance import Guidance, World
from lerobot_dp_plus.likelihood import Likelihood
from lerobot_dp_plus.networks import NetworkConfig, Shape
from lerobot_dp_plus.notation import Candidates, Condition, Network, repeat_rows
from lerobot_dp_plus.objectives import Objective
from lerobot_dp_plus.real_time import RealTime
from lerobot_dp_plus.samplers import Sampler


class Plan(NamedTuple):
    """A plan that is executed while chunks are drawn.

    Args:
        how: how chunks are bent towards it.
        actions: what it says, (B, N, H, A).
        weights: how firmly chunks are held to each of its steps, (B, N, H); 0 where it says nothing.
    """

    how: RealTime
    actions: Tensor
    weights: Tensor


class Given(NamedTuple):
    """What is known beside the observation when chunks are drawn.

    Args:
        world: what is known of the scene, for guidance that needs it.
        generator: for samplers that draw more on the way.
        fixed: what is decided already, (B, N, H, A), and NaN for what is not.
        absent: the condition of a dropped observation, of one row or B, for guidance that contrasts with it.
        start: chunks to draw near, (B, N, H, A), for heads that use a sampler. It begins there, with as much noise as is left
            after the steps that are skipped.
        skipped: how many of the sampler's first steps these are.
        shown: steps that are fixed and that the network is shown without noise, as it was trained, (B, N, H).
        plan: what chunks are bent towards, for heads that use a sampler.
    """

    world: World | None = None
    generator: torch.Generator | None = None
    fixed: Tensor | None = None
    absent: Condition = None
    start: Tensor | None = None
    skipped: int = 0
    shown: Tensor | None = None
    plan: Plan | None = None


#: Nothing is known but the observation.
NOTHING = Given()


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
    #: Whether it draws on the way, so that the noise a chunk starts from does not decide the chunk.
    stochastic: ClassVar[bool] = False

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
        return not cls.stochastic

    @classmethod
    def build(cls, objective: Objective, config: NetworkConfig, **shape: Unpack[Shape]) -> Network:
        """The network that the head needs, by the policy's `config` of one; for most heads the one of the config itself."""
        return config.build(**shape)

    @abstractmethod
    def loss(self, condition: Condition, chunk: Tensor, valid: Tensor, shown: Tensor | None = None) -> Tensor:
        """The loss (B,) of chunks (B, H, A), of whose actions those in `valid` (B, H) count.

        The network is shown the steps `shown` (B, H), which then do not count.
        """

    @abstractmethod
    def propose(self, condition: Condition, noise: Tensor, given: Given = NOTHING) -> Candidates:
        """N chunks for each of B observations from noise (B, N, H, A). The condition has B rows."""

    def log_prob(self, condition: Condition, chunks: Tensor, likelihood: Likelihood) -> Tensor | None:
        """Log-density (B, N) of chunks (B, N, H, A), as `likelihood` says; None if the head has none.

        The condition has B rows.
        """
        return None

    def imitation(self, condition: Condition, chunks: Tensor, draws: int = 8, valid: Tensor | None = None) -> Tensor:
        """The imitation energy (B, N) of chunks (B, N, H, A): how badly the head knows them; lower is better.

        It is a mean over the actions in `valid` (B, H), or over all. The same chunks have the same energy in every call,
        whichever others are beside them. Differentiable in the chunks. The condition has B rows. `draws` is the number
        of noises for heads that use noise. By default this is the loss, so a head whose loss draws noise has its own.
        """
        rows, count = chunks.flatten(0, 1), chunks.shape[1]
        counted = all_valid(chunks) if valid is None else valid
        loss = self.loss(repeat_rows(condition, count), rows, counted.repeat_interleave(count, 0))
        return loss.unflatten(0, chunks.shape[:2])


class ElementwiseHead(Head):
    """A head whose every action has an error of its own."""

    @abstractmethod
    def error(self, condition: Condition, chunk: Tensor, valid: Tensor, shown: Tensor | None = None) -> Tensor:
        """Error of every action, (B, H, A), zero where `valid` (B, H) is False.

        The network is shown the steps `shown` (B, H) of the chunks; their errors mean nothing, and `valid` leaves them out.
        """

    def loss(self, condition: Condition, chunk: Tensor, valid: Tensor, shown: Tensor | None = None) -> Tensor:
        """The mean error of a chunk's actions that count."""
        counted = valid if shown is None else valid & ~shown
        return mean_error(self.error(condition, chunk, counted, shown), counted)


def decided(fixed: Tensor, drawn: Tensor) -> Tensor:
    """What is fixed, and elsewhere, where that is NaN, what is drawn."""
    return torch.where(fixed.isnan(), drawn, fixed)


def mean_error(error: Tensor, valid: Tensor) -> Tensor:
    """Mean over the actions that count, (B,), of errors (B, H, A) that are zero elsewhere."""
    return error.sum((1, 2)) / (valid.sum(1) * error.shape[2]).clamp_min(1)


def all_valid(chunks: Tensor) -> Tensor:
    """(B, H), true everywhere, for chunks (B, N, H, A)."""
    return torch.ones((chunks.shape[0], chunks.shape[2]), dtype=torch.bool, device=chunks.device)
