"""Chunks that an energy is told apart from the demonstrated ones by, and the loss that goes with them.

| member | counter-examples ã_j | loss | source |
|---|---|---|---|
| `uniform` | uniform in the bounds | −log e^−E(a) / (e^−E(a) + Σ_j e^−E(ã_j)) | arXiv 2109.00137, eq. 2 |
| `near` | a + σ_j·smooth noise, σ_j from fine to coarse | mean_j log(1 + e^(E(a) − E(ã_j))) | arXiv 1806.03664, eq. 6 |

With either, the energy of least loss is −log p(a|o) and a constant. Where a chunk has many numbers a uniform one is told at a glance: it
is not smooth, and it does not begin where the robot is. So the energy learns little of what is near. `near` is conditional
noise-contrastive estimation: a pair is a chunk and a disturbed one, and which of them was demonstrated is asked. As the noise
is symmetric, its density falls out of the answer, whatever σ is. Fine noise tells the shape of a way, coarse noise where ways are.
Cost: 1 + `count` network calls per loss.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache

import draccus
import torch
from torch import Tensor


@dataclass(frozen=True)
class Contrast(draccus.ChoiceRegistry, ABC):
    """A way to make counter-examples."""

    @abstractmethod
    def others(self, chunk: Tensor, count: int, bound: float) -> Tensor:
        """`count` counter-examples (B, N, H, A) of chunks (B, H, A), whose actions are within `bound`."""

    @abstractmethod
    def loss(self, demonstrated: Tensor, others: Tensor) -> Tensor:
        """(B,) of energies (B,) of what was demonstrated and (B, N) of counter-examples, in nats."""


@Contrast.register_subclass("uniform")
@dataclass(frozen=True)
class Uniform(Contrast):
    """Uniform in the bounds; which one of all was demonstrated?"""

    def others(self, chunk: Tensor, count: int, bound: float) -> Tensor:
        shape = (len(chunk), count, *chunk.shape[1:])
        return bound * (2 * torch.rand(shape, dtype=chunk.dtype, device=chunk.device) - 1)

    def loss(self, demonstrated: Tensor, others: Tensor) -> Tensor:
        return -(-torch.cat([demonstrated[:, None], others], 1)).log_softmax(1)[:, 0]


@Contrast.register_subclass("near")
@dataclass(frozen=True)
class Near(Contrast):
    """The demonstrated chunk with smooth noise of a size between `fine` and `coarse` bounds, log-uniform; which of two was it?"""

    fine: float = 0.02
    coarse: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.fine <= self.coarse:
            raise ValueError(
                f"objective.contrast.fine = {self.fine}, coarse = {self.coarse}: must be positive, and fine at most coarse"
            )

    def others(self, chunk: Tensor, count: int, bound: float) -> Tensor:
        shape = (len(chunk), count, *chunk.shape[1:])
        place = torch.rand(shape[:2], dtype=chunk.dtype, device=chunk.device)
        size = bound * self.fine * (self.coarse / self.fine) ** place
        return chunk[:, None] + size[..., None, None] * smooth_noise(chunk.new_zeros(shape))

    def loss(self, demonstrated: Tensor, others: Tensor) -> Tensor:
        return torch.nn.functional.softplus(demonstrated[:, None] - others).mean(1)


def smooth_noise(like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Σ_k ε_k·cos(πk(h + ½)/H)/(1 + k), ε ~ N(0, 1), in the shape (..., H, A) of `like`; of mean square 1.

    The cosines of the discrete cosine transform: k = 0 moves a chunk as a whole, large k shakes it a little.
    """
    noise = torch.randn(like.shape, dtype=like.dtype, device=like.device, generator=generator)
    return cosines(like.shape[-2]).to(like) @ noise


@lru_cache
def cosines(horizon: int) -> Tensor:
    """The matrix (H, H) from white to smooth noise."""
    step, wave = torch.arange(horizon) + 0.5, torch.arange(horizon)
    made = (math.pi / horizon * step[:, None] * wave).cos() / (1 + wave)
    return made / made.square().sum(1).mean().sqrt()
