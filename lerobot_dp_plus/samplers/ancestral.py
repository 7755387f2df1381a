"""Ancestral sampling, the sampler of DDPM."""

from dataclasses import dataclass

from torch import Tensor

from lerobot_dp_plus.notation import Denoiser, per_sample
from lerobot_dp_plus.paths import Path
from lerobot_dp_plus.samplers.base import ReverseSampler, Sampler


@Sampler.register_subclass("ancestral")
@dataclass(frozen=True)
class Ancestral(ReverseSampler):
    """x_u ~ q(x_u | x_t, x₁) = N((r·σ_u²·x_t + α_u·s²·x₁)/σ_t², σ_u²·s²/σ_t²), r = α_t/α_u, s² = σ_t² − r²·σ_u².

    DDPM, arXiv 2006.11239, eqs. 6–7, written with α = √ᾱ and for a step of any length on any path (so with ᾱ, not β, in
    the coefficient of x₁). Cost: num_steps calls; 100 is customary.
    """

    def reverse(self, denoise: Denoiser, path: Path, x: Tensor, t: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        x1 = denoise(x, t).x1
        alpha_u, sigma_u, sigma_t = (per_sample(w, x) for w in (path.alpha(u), path.sigma(u), path.sigma(t)))
        ratio = per_sample(path.alpha(t), x) / alpha_u
        step_variance = (sigma_t**2 - (ratio * sigma_u) ** 2).clamp_min(0)
        mean = (ratio * sigma_u**2 * x + alpha_u * step_variance * x1) / sigma_t**2
        return mean, sigma_u * step_variance.sqrt() / sigma_t
