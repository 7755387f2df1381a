"""Global order of accuracy, measured as the slope of log error over log step, against the one each sampler declares."""

import math

import numpy as np
import pytest
import torch
from gaussian_truth import Gaussian
from torch import Tensor

from lerobot_dp_plus.notation import Denoiser
from lerobot_dp_plus.paths import Path, StraightPath
from lerobot_dp_plus.samplers import DDIM, Ancestral, DPMpp2M, Euler, Heun, Sampler

TRUTH = Gaussian(torch.tensor([0.4], dtype=torch.float64), torch.tensor([0.6], dtype=torch.float64))


class Arc(Path):
    """x_t = cos φ·x₁ + sin φ·x₀ with φ = 1.35 − 1.2·t: curved, and log α/σ is finite at both ends.

    There the two-step rule is in its asymptotic regime from the first step to the last; at the infinite ends of
    the package's own paths it converges a little more slowly.
    """

    def alpha(self, t: Tensor) -> Tensor:
        return torch.cos(1.35 - 1.2 * t)

    def sigma(self, t: Tensor) -> Tensor:
        return torch.sin(1.35 - 1.2 * t)

    def alpha_dot(self, t: Tensor) -> Tensor:
        return 1.2 * self.sigma(t)

    def sigma_dot(self, t: Tensor) -> Tensor:
        return -1.2 * self.alpha(t)

    def velocity_weights(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return self.sigma(t), -self.alpha(t)

    def network_time(self, t: Tensor) -> Tensor:
        return t


def observed_order(sampler: type[Sampler], path: Path, steps: list[int]) -> float:
    """Least-squares slope of log error over log 1/n."""
    noise = torch.linspace(-2, 2, 8, dtype=torch.float64).reshape(8, 1, 1)
    exact = TRUTH.flow_map(path, noise)
    denoise: Denoiser = lambda x_t, t: TRUTH.ends(path, x_t, t)  # noqa: E731
    errors = [(sampler(num_steps=n)(denoise, path, noise) - exact).square().mean().sqrt().item() for n in steps]
    assert errors[0] > errors[-1] > 1e-12, "rounding, not the method"
    return -np.polyfit([math.log(n) for n in steps], np.log(errors), 1)[0]


@pytest.mark.parametrize(
    ("sampler", "path", "steps"),
    [
        (DDIM, StraightPath(), [20, 40, 80]),
        (Euler, StraightPath(), [20, 40, 80]),
        (Heun, StraightPath(), [20, 40, 80]),
        (DPMpp2M, StraightPath(), [160, 320, 640]),
        (DDIM, Arc(), [20, 40, 80]),
        (Euler, Arc(), [20, 40, 80]),
        (Heun, Arc(), [20, 40, 80]),
        (DPMpp2M, Arc(), [80, 160, 320]),
    ],
    ids=lambda v: v.__name__ if isinstance(v, type) else type(v).__name__ if isinstance(v, Path) else "",
)
def test_observed_order_is_the_declared_one(sampler: type[Sampler], path: Path, steps: list[int]) -> None:
    assert sampler.order is not None
    assert observed_order(sampler, path, steps) == pytest.approx(sampler.order, abs=0.3)


def test_every_deterministic_sampler_declares_an_order() -> None:
    declared = {name: choice.order for name, choice in Sampler.get_known_choices().items()}
    orders = {"ddim": 1, "ddim_leading": 1, "euler": 1, "heun": 2, "dpmpp_2m": 2, "jump": 1}
    assert declared == {**orders, "ancestral": None, "ancestral_leading": None}
    assert Ancestral.order is None
