"""Euler's method on the probability-flow ODE."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from lerobot_dp_plus.notation import Denoiser
from lerobot_dp_plus.paths import Path
from lerobot_dp_plus.samplers.base import Rng, Sampler, Stepped


@Sampler.register_subclass("euler")
@dataclass(frozen=True)
class Euler(Sampler):
    """x_u = x_t + (u − t)·v, v = x₁ − x₀, on the straight path. On other paths, in coordinates that make them straight.

    As in flow matching, arXiv 2210.02747, and π0, arXiv 2410.24164. `heun` explains the coordinates. In them
    Euler's step is exact if the predicted ends do not change. So is the step of `ddim`. The two are one sampler with
    two names.
    Cost: num_steps calls.
    """

    order = 1

    def step(self, denoise: Denoiser, path: Path, x: Tensor, t: Tensor, u: Tensor, memory: Any, rng: Rng) -> Stepped:
        x0, x1 = denoise(x, t)
        return path.interpolate(x0, x1, u), None
