"""DDIM, corrected by Langevin steps."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from lerobot_dp_plus.notation import Denoiser
from lerobot_dp_plus.paths import Path
from lerobot_dp_plus.samplers.base import Rng, Sampler, Stepped
from lerobot_dp_plus.samplers.langevin import LangevinSteps


@Sampler.register_subclass("predictor_corrector")
@dataclass(frozen=True)
class PredictorCorrector(LangevinSteps):
    """x_u = α_u·x₁ + σ_u·x₀, and then `corrections` Langevin steps at u.

    Song et al., arXiv 2011.13456, alg. 1 with DDIM as the predictor; without corrections it is `ddim`. What the predictor
    got wrong at u is taken back in part, because Langevin steps lead to the distribution that x_u should have. A
    multistep predictor would not do: after a correction its memory is of another path.
    Cost: (num_steps − 1)·(1 + corrections) + 1 calls.
    """

    @property
    def num_calls(self) -> int:
        return (self.num_steps - 1) * (1 + self.corrections) + 1

    def step(self, denoise: Denoiser, path: Path, x: Tensor, t: Tensor, u: Tensor, memory: Any, rng: Rng) -> Stepped:
        x0, x1 = denoise(x, t)
        x = path.interpolate(x0, x1, u)
        for _ in range(self.corrections):
            x, _ = self.correct(denoise, path, x, u, rng)
        return x, None
