"""Heun's second-order method."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lerobot_dp_plus.notation import Denoiser, per_sample
from lerobot_dp_plus.paths import Path
from lerobot_dp_plus.samplers.base import Sampler


@Sampler.register_subclass("heun")
@dataclass(frozen=True)
class Heun(Sampler):
    """x_u = x_t + (u − t)/2·(v(x_t, t) + v(x̂_u, u)), x̂_u = x_t + (u − t)·v(x_t, t).

    EDM, arXiv 2206.00364, algorithm 1: the last step is Euler's, since v may not exist at t = 1. One step of local
    error O(h²) leaves the order at 2. Cost: 2·num_steps − 1 calls.
    """

    order = 2

    @property
    def num_calls(self) -> int:
        return 2 * self.num_steps - 1

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
        # `memory` counts the steps taken: asking the tensor u whether it is 1 would stall a GPU.
        steps_taken = (memory or 0) + 1
        h = per_sample(u - t, x)
        start = path.velocity(denoise(x, t), t)
        ahead = x + h * start
        if steps_taken == self.num_steps:
            return ahead, steps_taken
        return x + 0.5 * h * (start + path.velocity(denoise(ahead, u), u)), steps_taken
