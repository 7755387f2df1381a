"""DPM-Solver++(2M)."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lerobot_dp_plus.notation import Denoiser, per_sample
from lerobot_dp_plus.paths import Path
from lerobot_dp_plus.samplers.base import Rng, Sampler, Stepped


class _Memory(NamedTuple):
    x1: Tensor  # the previous prediction of the data
    log_snr: Tensor  # λ where it was made


def _log_snr(path: Path, t: Tensor) -> Tensor:
    """λ = log α/σ; finite inside (0, 1)."""
    return torch.log(path.alpha(t)) - torch.log(path.sigma(t))


@Sampler.register_subclass("dpmpp_2m")
@dataclass(frozen=True)
class DPMpp2M(Sampler):
    """x_u = σ_u/σ_t·x_t − α_u·(e^(−h) − 1)·D, D = (1 + 1/2r)·x₁(t) − 1/2r·x₁(s), h = λ_u − λ_t, r = (λ_t − λ_s)/h.

    DPM-Solver++, arXiv 2211.01095, algorithm 2; s is the time of the step before t. The first step has no predecessor
    and is first order. The code uses x₁, x₀ and one correction, so that α = 0 at the start (straight path) is harmless.
    On `squared_cosine` the sampler keeps the grid of diffusers, which is even in t. Its last step begins at
    σ² ≈ 2.4/n² + 0.04/n. This gives order 2 up to some sixty steps, far more than the sampler is meant for.
    Cost: num_steps calls.
    """

    order = 2

    def step(self, denoise: Denoiser, path: Path, x: Tensor, t: Tensor, u: Tensor, memory: Any, rng: Rng) -> Stepped:
        x0, x1 = denoise(x, t)
        log_snr = _log_snr(path, t)
        x_u = path.interpolate(x0, x1, u)  # the first-order step: exact DDIM
        # If a path starts at α = 0, its second step has no finite λ_s to extrapolate from either.
        if memory is not None:
            h = _log_snr(path, u) - log_snr
            inverse_ratio = torch.nan_to_num(h / (log_snr - memory.log_snr), nan=0.0, posinf=0.0)
            weight = -0.5 * path.alpha(u) * torch.expm1(-h) * inverse_ratio
            x_u = x_u + per_sample(weight, x) * (x1 - memory.x1)
        return x_u, _Memory(x1, log_snr)
