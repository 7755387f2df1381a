"""What an energy is told apart by, and the loss that goes with it.

| member | pairs | loss | source |
|---|---|---|---|
| `uniform` | a, and ã_j uniform in the bounds | −log e^−E(a) / (e^−E(a) + Σ_j e^−E(ã_j)) | arXiv 2109.00137, eq. 2 |
| `near` | b_j = a + σ_j·ε_j, and ã_j = b_j + σ_j·ε'_j | mean_j log(1 + e^(E(b_j, σ_j) − E(ã_j, σ_j))) | arXiv 1806.03664, eq. 6; 1907.05600 |

With `uniform` the energy of least loss is −log p(a|o) and a constant. Where a chunk has many numbers a uniform one is told at a
glance: it is not smooth, and it does not begin where the robot is. So the energy learns little of what is near.

`near` is conditional noise-contrastive estimation: of a chunk and a disturbed one, which is the former? As the noise is symmetric,
its density falls out of the answer, whatever σ is. One energy alone would be flat far from the data, where the question is too
easy. So there is one for each σ, of chunks that are blurred by as much: that of least loss is −log p_σ and a constant. The network
is told σ by its clock, t = 1 being the finest. A search follows the energies from coarse to fine.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple

import draccus
import torch
from torch import Tensor


class Pairs(NamedTuple):
    """What is compared.

    Args:
        better: what was demonstrated, (B, M, H, A).
        worse: counter-examples, (B, N, H, A).
        times: what the network's clock shows for each of both, (B, M + N).
    """

    better: Tensor
    worse: Tensor
    times: Tensor


@dataclass(frozen=True)
class Contrast(draccus.ChoiceRegistry, ABC):
    """A way to make counter-examples."""

    #: What the network's clock shows at the start of a search, and at its end, where chunks are compared.
    clock: ClassVar[tuple[float, float]]

    @abstractmethod
    def pairs(self, chunk: Tensor, count: int, bound: float) -> Pairs:
        """`count` counter-examples of each of the chunks (B, H, A), whose actions are within `bound`."""

    @abstractmethod
    def loss(self, better: Tensor, worse: Tensor) -> Tensor:
        """(B,) of the energies (B, M) and (B, N) of what is compared, in nats."""


@Contrast.register_subclass("uniform")
@dataclass(frozen=True)
class Uniform(Contrast):
    """Uniform in the bounds; which one of all was demonstrated? Cost: 1 + `count` network calls per loss."""

    clock: ClassVar[tuple[float, float]] = (0.0, 0.0)

    def pairs(self, chunk: Tensor, count: int, bound: float) -> Pairs:
        shape = (len(chunk), count, *chunk.shape[1:])
        worse = bound * (2 * torch.rand(shape, dtype=chunk.dtype, device=chunk.device) - 1)
        return Pairs(chunk[:, None], worse, chunk.new_zeros(len(chunk), 1 + count))

    def loss(self, better: Tensor, worse: Tensor) -> Tensor:
        return -(-torch.cat([better, worse], 1)).log_softmax(1)[:, 0]


@Contrast.register_subclass("near")
@dataclass(frozen=True)
class Near(Contrast):
    """A blurred chunk, and the same blurred once more; which of two is it? Cost: 2·`count` network calls per loss.

    Attributes:
        fine, coarse: least and largest σ, as shares of the bound; log-uniform in training.
    """

    clock: ClassVar[tuple[float, float]] = (0.0, 1.0)

    fine: float = 0.02
    coarse: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.fine <= self.coarse:
            raise ValueError(
                f"objective.contrast.fine = {self.fine}, coarse = {self.coarse}: must be positive, and fine at most coarse"
            )

    def pairs(self, chunk: Tensor, count: int, bound: float) -> Pairs:
        shape = (len(chunk), count, *chunk.shape[1:])
        times = torch.rand(shape[:2], dtype=chunk.dtype, device=chunk.device)
        size = (bound * self.coarse * (self.fine / self.coarse) ** times)[..., None, None]
        better = chunk[:, None] + size * smooth_noise(chunk.new_zeros(shape))
        return Pairs(better, better + size * smooth_noise(better), torch.cat([times, times], 1))

    def loss(self, better: Tensor, worse: Tensor) -> Tensor:
        return torch.nn.functional.softplus(better - worse).mean(1)


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
