"""Deterministic DDIM."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from lerobot_dp_plus.notation import Denoiser
from lerobot_dp_plus.paths import Path
from lerobot_dp_plus.samplers.base import Rng, Sampler, Stepped


@Sampler.register_subclass("ddim")
@dataclass(frozen=True)
class DDIM(Sampler):
    """x_u = α_u·x₁ + σ_u·x₀, both ends as predicted at x_t.

    DDIM, arXiv 2010.02502, eq. 12 with η = 0; equals `euler` on the straight path. Cost: num_steps calls.
    """

    order = 1

    def step(self, denoise: Denoiser, path: Path, x: Tensor, t: Tensor, u: Tensor, memory: Any, rng: Rng) -> Stepped:
        x0, x1 = denoise(x, t)
        return path.interpolate(x0, x1, u), None
