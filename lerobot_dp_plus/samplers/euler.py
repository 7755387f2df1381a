"""Euler's method on the probability-flow ODE."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lerobot_dp_plus.notation import Denoiser, per_sample
from lerobot_dp_plus.paths import Path
from lerobot_dp_plus.samplers.base import Sampler


@Sampler.register_subclass("euler")
@dataclass(frozen=True)
class Euler(Sampler):
    """x_u = x_t + (u − t)·v(x_t, t), v = α̇·x₁ + σ̇·x₀.

    As in flow matching, arXiv 2210.02747, and π0, arXiv 2410.24164. Cost: num_steps calls.
    """

    order = 1

    def step(
        self,
        denoise: Denoiser,
        path: Path,
        x: Tensor,
        t: Tensor,
        u: Tensor,
        memory: Any,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, Any]:
        return x + per_sample(u - t, x) * path.velocity(denoise(x, t), t), None
