"""Langevin steps, alone on levels of less and less noise."""

from abc import ABC
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.notation import Denoiser, Prediction, per_sample
from lerobot_dp_plus.paths import Path
from lerobot_dp_plus.samplers.base import Rng, Sampler, Stepped


@dataclass(frozen=True)
class LangevinSteps(Sampler, ABC):
    """x ← x + h·score + √(2h)·z at one level of noise, score = −x₀/σ, h = rate·σ², z ~ N(0, I).

    Such steps leave the distribution of x_t as it should be, or bring x nearer to it if it is not: the unadjusted
    Langevin algorithm. For data of normal distribution, many steps end at the variance Var x_t/(1 − rate·σ²/(2·Var x_t)).
    That is at most rate/2 too much, where nearly all of x_t is noise, and little where x_t is nearly data.
    Song & Ermon, arXiv 1907.05600, alg. 1. The "signal-to-noise ratio" r of Song et al., arXiv 2011.13456, alg. 4 and 5,
    which sets the steps by the length of the score, is √(rate/2): their 0.16 is a rate of 0.05.

    Attributes:
        corrections: Langevin steps on each level of noise.
        rate: h/σ². With 0.04 the variance is right within 2 %.
    """

    order = None

    corrections: int = 1
    rate: float = 0.04

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("sampler", self, corrections=0)
        if not 0 < self.rate < 2:
            raise ValueError(f"sampler.rate = {self.rate}: must be in (0, 2), beyond which the steps diverge")

    def correct(self, denoise: Denoiser, path: Path, x: Tensor, t: Tensor, rng: Rng) -> tuple[Tensor, Prediction]:
        """x after one Langevin step at t, and what was predicted before it. Cost: one network call."""
        said, sigma = denoise(x, t), per_sample(path.sigma(t), x)
        z = torch.randn(x.shape, dtype=x.dtype, device=x.device, generator=rng)
        return x - self.rate * sigma * said.x0 + (2 * self.rate) ** 0.5 * sigma * z, said


@Sampler.register_subclass("langevin")
@dataclass(frozen=True)
class Langevin(LangevinSteps):
    """Annealed Langevin dynamics: `corrections` Langevin steps at t, then x_u = α_u·x₁ + σ_u·(x_t − α_t·x₁)/σ_t.

    Song & Ermon, arXiv 1907.05600, alg. 1, carry x/α over to the next level as it is. The surplus of noise then takes
    tens of steps to fade on each level. Here the data end that was predicted last is kept, and what is left of x_t is
    scaled down with the noise. It needs no network call.
    Cost: (num_steps − 1)·corrections + 1 calls.
    """

    corrections: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("sampler", self, corrections=1)

    @property
    def num_calls(self) -> int:
        return (self.num_steps - 1) * self.corrections + 1

    def step(self, denoise: Denoiser, path: Path, x: Tensor, t: Tensor, u: Tensor, memory: Any, rng: Rng) -> Stepped:
        for _ in range(self.corrections):
            x, said = self.correct(denoise, path, x, t, rng)
        return path.interpolate(path.with_data(said.x1, x, t).x0, said.x1, u), None
