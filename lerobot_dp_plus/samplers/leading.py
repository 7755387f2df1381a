"""DDPM and DDIM on the grid that diffusers calls "leading" (arXiv 2305.08891 table 2), where LeRobot's policy samples.

With K steps of training and n of sampling, both samplers visit k = (n − 1)·s, …, s, 0 with s = ⌊K/n⌋, and then clean
data. They take pure noise for x_k at the first of these steps. So for n < K the noisiest steps are never visited. With
the path `diffusers` both give the actions of LeRobot's diffusion policy, digit for digit; that is their purpose.
"""

from abc import ABC
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lerobot_dp_plus.notation import Denoiser, per_sample
from lerobot_dp_plus.paths import Path, VariancePreservingPath
from lerobot_dp_plus.samplers.base import ReverseSampler, Rng, Sampler, Stepped


@dataclass(frozen=True)
class Leading(Sampler, ABC):
    """The grid that both samplers share."""

    needs = frozenset({"diffusion_steps"})

    def check(self, path: Path) -> None:
        """Raise a ValueError if there are more steps than those of training."""
        assert isinstance(path, VariancePreservingPath)  # only those objectives give diffusion steps
        if self.num_steps > path.num_train_steps:
            raise ValueError(
                f"sampler.num_steps = {self.num_steps}: legal are 1 to {path.num_train_steps}, the steps of training "
                "(objective.path.num_train_steps)"
            )

    def times(self, path: Path, like: Tensor) -> Tensor:
        """t = 1 − (k + 1)/K of the steps k visited, and 1; raises what `check` does."""
        self.check(path)
        assert isinstance(path, VariancePreservingPath)
        trained = path.num_train_steps
        stride = trained // self.num_steps
        visited = [stride * index for index in reversed(range(self.num_steps))]
        times = [*(1 - (k + 1) / trained for k in visited), 1.0]
        return torch.tensor(times, dtype=like.dtype, device=like.device)


@Sampler.register_subclass("ancestral_leading")
@dataclass(frozen=True)
class AncestralLeading(ReverseSampler, Leading):
    """x_u ~ q(x_u | x_t, x₁): mean √ᾱ_u·β/(1 − ᾱ_t)·x₁ + √(1 − β)·(1 − ᾱ_u)/(1 − ᾱ_t)·x_t, β = 1 − ᾱ_t/ᾱ_u.

    DDPM, arXiv 2006.11239, eqs. 6–7, variance β·(1 − ᾱ_u)/(1 − ᾱ_t). This is `ancestral` on another grid. The
    operations come in the order of diffusers' DDPMScheduler, because that order decides about the digits.
    Cost: num_steps calls.
    """

    def reverse(self, denoise: Denoiser, path: Path, x: Tensor, t: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        assert isinstance(path, VariancePreservingPath)
        x1 = denoise(x, t).x1
        bar_t, bar_u = (per_sample(path.alpha_bar(time), x) for time in (t, u))
        kept = bar_t / bar_u  # 1 − β
        data_weight = bar_u**0.5 * (1 - kept) / (1 - bar_t)
        state_weight = kept**0.5 * (1 - bar_u) / (1 - bar_t)
        deviation = ((1 - bar_u) / (1 - bar_t) * (1 - kept)) ** 0.5
        return data_weight * x1 + state_weight * x, deviation


@Sampler.register_subclass("ddim_leading")
@dataclass(frozen=True)
class DDIMLeading(Leading):
    """x_u = α_u·clip(x₁) + σ_u·x₀, with x₀ as the network gave it.

    DDIM, arXiv 2010.02502, eq. 12 with η = 0, as in diffusers' DDIMScheduler. Where x₁ is clipped, the two ends
    together no longer explain x_t. `ddim` recomputes x₀ there, this sampler does not. Cost: num_steps calls.
    """

    needs = frozenset({"diffusion_steps", "kept_noise"})
    order = 1

    def step(self, denoise: Denoiser, path: Path, x: Tensor, t: Tensor, u: Tensor, memory: Any, rng: Rng) -> Stepped:
        x0, x1 = denoise(x, t)
        return path.interpolate(x0, x1, u), None
