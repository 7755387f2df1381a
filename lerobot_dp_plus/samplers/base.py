"""The loop all samplers share; a member supplies one step of it."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, ClassVar

import draccus
import torch
from torch import Tensor

from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.notation import Denoiser, Shift
from lerobot_dp_plus.paths import Path

logger = logging.getLogger(__name__)
#: With a larger share α of the data in x_t at t = 0, the weights of modes are noticeably wrong.
MOST_DATA_AT_START = 0.1


@cache
def _warn_of_data_at_the_start(path: Path) -> None:
    share = path.alpha(torch.zeros(1)).item()
    if share > MOST_DATA_AT_START:
        logger.warning(
            "objective.path = %s: at t = 0 it still has %.2f of the data in x_t, but sampling starts from pure noise, so that "
            "chunks will be drawn in wrong proportions; raise objective.path.num_train_steps (1000 goes with the default "
            "betas) or objective.path.beta_end",
            path,
            share,
        )


#: Where a stochastic step draws from; torch's global generator if None.
type Rng = torch.Generator | None
#: x at u, and what the next step is told as its `memory`.
type Stepped = tuple[Tensor, Any]


@dataclass(frozen=True)
class Sampler(draccus.ChoiceRegistry, ABC):
    """Carries noise (B, H, A) at t = 0 to data (B, H, A) at t = 1. Sees a denoiser and a path, never a network.

    A member says how to step from t to u < 1. The last step is the same for all: it takes the data as predicted. So no
    noise is left and nothing overshoots, whatever the path.
    """

    num_steps: int = 10

    #: What an objective must give for this sampler to serve it.
    needs: ClassVar[frozenset[str]] = frozenset({"denoiser"})
    #: Global order of accuracy on the probability-flow ODE; None for stochastic samplers.
    order: ClassVar[int | None]

    def __post_init__(self) -> None:
        at_least("sampler", self, num_steps=1)

    @property
    def num_calls(self) -> int:
        """Network calls per chunk."""
        return self.num_steps

    def check(self, path: Path) -> None:
        """Raise a ValueError naming the field, its value and what is legal if the sampler cannot follow the path.

        Warns, once for each path, if it does not begin in pure noise, because sampling does.
        """
        _warn_of_data_at_the_start(path)

    @abstractmethod
    def step(self, denoise: Denoiser, path: Path, x: Tensor, t: Tensor, u: Tensor, memory: Any, rng: Rng) -> Stepped:
        """Go from x at t to u < 1; t, u (B,). `memory` is what the previous step returned, None at the first."""

    def arrive(self, denoise: Denoiser, x: Tensor, t: Tensor, end: Tensor) -> Tensor:
        """The last step, from x at t to the data at `end` = 1; x̂₁(x, t), (B, H, A)."""
        return denoise(x, t).x1

    def times(self, path: Path, like: Tensor) -> Tensor:
        """The grid t₀ < t₁ < … < 1 in the dtype and on the device of `like`, (num_steps + 1,)."""
        return path.grid(self.num_steps, like)

    def clock(self, path: Path, noise: Tensor) -> tuple[Tensor, ...]:
        """The same times as num_steps + 1 tensors (B,), one for each sample of the batch.

        They are known before the first step. What depends on times alone can be computed for all of them at once.
        """
        return self.times(path, noise)[:, None].expand(-1, noise.shape[0]).unbind()

    def __call__(
        self,
        denoise: Denoiser,
        path: Path,
        noise: Tensor,
        generator: torch.Generator | None = None,
        clock: Sequence[Tensor] | None = None,
        shift: Shift | None = None,
    ) -> Tensor:
        """Chunks (B, H, A) from noise (B, H, A).

        `clock` is what this sampler's `clock` gave, if the caller has it already. A `shift` is for a `ReverseSampler`.
        """
        *inner, end = self.clock(path, noise) if clock is None else clock
        more = {} if shift is None else {"shift": shift}
        x, memory = noise, None
        for t, u in pairwise(inner):
            x, memory = self.step(denoise, path, x, t, u, memory, generator, **more)
        return self.arrive(denoise, x, inner[-1], end)


@dataclass(frozen=True)
class ReverseSampler(Sampler, ABC):
    """x_u ~ N(μ, Σ), Σ = deviation²: each step is a draw from a normal distribution, whose mean may be shifted."""

    order = None

    @abstractmethod
    def reverse(self, denoise: Denoiser, path: Path, x: Tensor, t: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (B, H, A) and standard deviation (B, 1, 1) of x at u, of x at t; t < u < 1, (B,)."""

    def step(
        self,
        denoise: Denoiser,
        path: Path,
        x: Tensor,
        t: Tensor,
        u: Tensor,
        memory: Any,
        rng: Rng,
        shift: Shift | None = None,
    ) -> Stepped:
        mean, deviation = self.reverse(denoise, path, x, t, u)
        if shift is not None:
            mean = mean + shift(mean, deviation.square())
        noise = torch.randn(x.shape, dtype=x.dtype, device=x.device, generator=rng)
        return mean + deviation * noise, None
