"""Heun's second-order method."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from lerobot_dp_plus.notation import Denoiser, per_sample
from lerobot_dp_plus.paths import Path
from lerobot_dp_plus.samplers.base import Rng, Sampler, Stepped


@Sampler.register_subclass("heun")
@dataclass(frozen=True)
class Heun(Sampler):
    """y_u = y_t + (τ_u − τ_t)/2·(v(y_t) + v(ŷ_u)), ŷ_u = y_t + (τ_u − τ_t)·v(y_t), v = x₁ − x₀.

    Every path is straight in y = x/(α + σ) over τ = α/(α + σ), because y_τ = τ·x₁ + (1 − τ)·x₀. So dy/dτ = v is bounded
    up to both ends. In contrast, dx/dt is infinite where a variance-preserving path meets the data. On the straight
    path y = x and τ = t.

    EDM, arXiv 2206.00364, algorithm 1, uses y = x/α over σ/α, which is infinite at pure noise. As in EDM, the last step
    is Euler's. One step of local error O(h²) leaves the order at 2, on a grid where that step shrinks with the others.
    Cost: 2·num_steps − 1 calls.
    """

    order = 2

    @property
    def num_calls(self) -> int:
        return 2 * self.num_steps - 1

    def times(self, path: Path, like: Tensor) -> Tensor:
        return path.smooth_grid(self.num_steps, like)

    def step(self, denoise: Denoiser, path: Path, x: Tensor, t: Tensor, u: Tensor, memory: Any, rng: Rng) -> Stepped:
        start = denoise(x, t)
        ahead = path.interpolate(start.x0, start.x1, u)
        end = denoise(ahead, u)
        alpha_t, alpha_u = path.alpha(t), path.alpha(u)
        # (τ_u − τ_t) in units of x at u; u − t on the straight path.
        span = alpha_u - alpha_t * (alpha_u + path.sigma(u)) / (alpha_t + path.sigma(t))
        turn = (end.x1 - end.x0) - (start.x1 - start.x0)
        return ahead + per_sample(0.5 * span, x) * turn, None
