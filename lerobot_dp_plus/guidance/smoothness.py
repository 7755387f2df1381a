"""Prefer chunks without jerks."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lerobot_dp_plus.guidance.base import Guidance, Situation
from lerobot_dp_plus.notation import Denoiser, Prediction


@Guidance.register_subclass("smoothness")
@dataclass(frozen=True)
class Smoothness(Guidance):
    """x₁ ← x₁ − strength·DᵀD x₁, D the second difference along the horizon: one gradient step on E = ½‖D x₁‖².

    This is `guidance.type=gradient` with `energies.smoothness.weight=1`, in closed form. It is the same in any units, because
    D is linear and ignores offsets. Guidance on the predicted clean sample, Chung et al., arXiv 2209.14687, without the
    Jacobian of the network. The largest eigenvalue of DᵀD is 16, so a strength under 1/8 lowers E and can never diverge.
    Cost: no network calls.
    """

    strength: float = 0.05

    def __post_init__(self) -> None:
        if not 0 <= self.strength < 0.125:
            raise ValueError(f"guidance.strength = {self.strength}: must be in [0, 0.125), beyond which it diverges")

    def wrap(self, denoise: Denoiser, situation: Situation) -> Denoiser:
        def guided(x_t: Tensor, t: Tensor) -> Prediction:
            prediction = denoise(x_t, t)
            x1 = prediction.x1
            if x1.shape[1] < 3:  # no second difference: E = 0
                return prediction
            jerk = torch.diff(x1, n=2, dim=1)  # (B, H − 2, A)
            # Dᵀ of a second difference is the second difference of the zero-padded signal.
            gradient = torch.diff(torch.nn.functional.pad(jerk, (0, 0, 2, 2)), n=2, dim=1)
            return situation.moved(prediction, x1 - self.strength * gradient, x_t, t)

        return guided
