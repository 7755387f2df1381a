"""At which times a network is trained.

| member | density of t | source |
|---|---|---|
| `uniform` | U[0, 1) | DDPM, arXiv 2006.11239 |
| `beta` | t = s(1 − u), u ~ Beta(a, 1) | π0, arXiv 2410.24164 appendix B |
| `logit_normal` | logit t ~ N(m, σ²) | Stable Diffusion 3, arXiv 2403.03206 §3.1 |

Each is a quantile function applied to stratified uniforms, one per stratum of [0, 1). The density is that of
independent draws, and the batch loss has less variance (variational diffusion models, arXiv 2107.00630, appendix I.1).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import draccus
import torch
from torch import Tensor

from lerobot_dp_plus.legal import positive


@dataclass(frozen=True)
class TimeDensity(draccus.ChoiceRegistry, ABC):
    """A density on [0, 1] given by its quantile function."""

    @abstractmethod
    def quantile(self, q: Tensor) -> Tensor:
        """t with P(time <= t) = q, or with 1 − q in place of q; q in [0, 1)."""

    def draw(self, batch_size: int, device: torch.device, generator: torch.Generator | None = None) -> Tensor:
        """(batch_size,) float32 times, one per stratum."""
        jitter = torch.rand(batch_size, device=device, generator=generator)
        return self.quantile((torch.arange(batch_size, device=device) + jitter) / batch_size)


@TimeDensity.register_subclass("uniform")
@dataclass(frozen=True)
class UniformTimes(TimeDensity):
    """t ~ U[0, 1)."""

    def quantile(self, q: Tensor) -> Tensor:
        return q.clamp_max(1 - 1e-6)


@TimeDensity.register_subclass("beta")
@dataclass(frozen=True)
class BetaTimes(TimeDensity):
    """t = s(1 − u), u ~ Beta(a, 1), whose CDF is uᵃ: most weight on noisy times (π0: a = 1.5, s = 0.999)."""

    a: float = 1.5
    cutoff: float = 0.999

    def __post_init__(self) -> None:
        positive("objective.times", self, "a")
        if not 0 < self.cutoff <= 1:
            raise ValueError(f"objective.times.cutoff = {self.cutoff}: must be in (0, 1]")

    def quantile(self, q: Tensor) -> Tensor:
        return self.cutoff * (1 - q ** (1 / self.a))


@TimeDensity.register_subclass("logit_normal")
@dataclass(frozen=True)
class LogitNormalTimes(TimeDensity):
    """t = sigmoid(mean + std·z), z ~ N(0, 1)."""

    mean: float = 0.0
    std: float = 1.0

    def __post_init__(self) -> None:
        positive("objective.times", self, "std")

    def quantile(self, q: Tensor) -> Tensor:
        z = torch.special.ndtri(q.clamp(1e-6, 1 - 1e-6))
        return torch.sigmoid(self.mean + self.std * z)
