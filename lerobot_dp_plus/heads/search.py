"""How chunks of low energy are found.

| member | how | source | cost in network calls |
|---|---|---|---|
| `derivative_free` | draw by e^−E, scatter, and again with less | arXiv 2109.00137, alg. 1 | `iterations` |
| `smooth` | the same with smooth noise on smooth chunks, for long ones | our own | `iterations` |
| `langevin` | go downhill with noise that dies away | arXiv 2109.00137, appendix B.3 | `iterations` + 1, all but one with gradients |

A call is for all `samples` of every observation.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import draccus
import torch
from torch import Tensor

from lerobot_dp_plus.heads.contrasting import smooth_noise
from lerobot_dp_plus.legal import at_least, positive

#: Chunks (B, S, H, A), and how much of the search is done, from 0 to 1 -> their energies (B, S); lower is better. An energy that
#: is learned at several scales is coarse at first.
type EnergyOf = Callable[[Tensor, float], Tensor]
#: Chunks -> the same within bounds, with what is decided in place.
type Hold = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Search(draccus.ChoiceRegistry, ABC):
    """A way to find chunks of low energy."""

    samples: int = 256

    def start(self, like: Tensor, bound: float, generator: torch.Generator | None) -> Tensor:
        """Where it begins, in the shape (B, S, H, A) of `like`: uniform within `bound`."""
        uniform = torch.rand(like.shape, dtype=like.dtype, device=like.device, generator=generator)
        return bound * (2 * uniform - 1)

    @abstractmethod
    def improve(self, chunks: Tensor, energy: EnergyOf, hold: Hold, generator: torch.Generator | None) -> Tensor:
        """Chunks (B, S, H, A) of low energy from others."""


def drawn(energies: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    """Numbers (B, count) of chunks drawn with replacement by e^−E, for energies (B, S)."""
    return torch.multinomial((-energies).softmax(1), count, replacement=True, generator=generator)


def _noise(like: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.randn(like.shape, dtype=like.dtype, device=like.device, generator=generator)


@Search.register_subclass("derivative_free")
@dataclass(frozen=True)
class DerivativeFree(Search):
    """Draw S chunks by e^−E with replacement, add N(0, σ²), let σ ← K·σ, and again: arXiv 2109.00137, alg. 1."""

    iterations: int = 3
    # σ of the first step, normalised.
    std: float = 0.33
    # K.
    shrink: float = 0.5

    def __post_init__(self) -> None:
        at_least("objective.search", self, samples=1, iterations=1)
        positive("objective.search", self, "std", "shrink")

    def improve(self, chunks: Tensor, energy: EnergyOf, hold: Hold, generator: torch.Generator | None) -> Tensor:
        rows = torch.arange(len(chunks), device=chunks.device)[:, None]
        for k in range(self.iterations - 1):
            done = k / max(self.iterations - 1, 1)
            chosen = chunks[rows, drawn(energy(chunks, done), chunks.shape[1], generator)]
            chunks = hold(chosen + self.std * self.shrink**k * self.scatter(chosen, generator))
        return chunks

    def scatter(self, like: Tensor, generator: torch.Generator | None) -> Tensor:
        """Noise of mean square 1."""
        return _noise(like, generator)


@Search.register_subclass("smooth")
@dataclass(frozen=True)
class Smooth(DerivativeFree):
    """The same, beginning with a uniform place for the whole chunk and smooth noise on it, and scattered by smooth noise.

    A chunk of H steps has H·A numbers, of which a few decide where it goes (`contrasting.smooth_noise`). The noise falls as
    that of the energies which `near` learns.
    """

    samples: int = 128
    iterations: int = 20
    std: float = 0.5
    shrink: float = 0.85

    def start(self, like: Tensor, bound: float, generator: torch.Generator | None) -> Tensor:
        place = super().start(like[..., :1, :], bound, generator)
        return place + self.std * self.scatter(like, generator)

    def scatter(self, like: Tensor, generator: torch.Generator | None) -> Tensor:
        return smooth_noise(like, generator)


@Search.register_subclass("langevin")
@dataclass(frozen=True)
class Langevin(Search):
    """a ← a − clip(λ_k·(½∇E + noise_scale·ω)), ω ~ N(0, 1): stochastic gradient Langevin dynamics.

    λ falls from `step` to `last_step` with the square of what is left, and no step is longer than `longest`. These numbers
    are those of the authors' code for arXiv 2109.00137; only their noise is 1 there too.
    """

    samples: int = 64
    iterations: int = 50
    step: float = 0.1
    last_step: float = 1e-5
    longest: float = 0.1
    noise_scale: float = 1.0

    def __post_init__(self) -> None:
        at_least("objective.search", self, samples=1, iterations=1, noise_scale=0)
        positive("objective.search", self, "step", "last_step", "longest")

    def improve(self, chunks: Tensor, energy: EnergyOf, hold: Hold, generator: torch.Generator | None) -> Tensor:
        for k in range(self.iterations):
            left = (1 - k / max(self.iterations - 1, 1)) ** 2
            size = (self.step - self.last_step) * left + self.last_step
            with torch.enable_grad():
                here = chunks.detach().requires_grad_()
                (slope,) = torch.autograd.grad(energy(here, k / max(self.iterations - 1, 1)).sum(), here)
            move = size * (0.5 * slope + self.noise_scale * _noise(chunks, generator))
            chunks = hold(chunks - move.clamp(-self.longest, self.longest))
        return chunks
