"""Global order of accuracy, measured as the slope of log error over log step, against the one each sampler declares."""

import math

import numpy as np
import pytest
import torch
from gaussian_truth import ALL_PATHS, Gaussian

from lerobot_dp_plus.notation import Denoiser
from lerobot_dp_plus.paths import Path
from lerobot_dp_plus.samplers import DDIM, Ancestral, DPMpp2M, Euler, Heun, Sampler

TRUTH = Gaussian(torch.tensor([0.4], dtype=torch.float64), torch.tensor([0.3], dtype=torch.float64))


def errors(sampler: type[Sampler], path: Path, steps: list[int], smooth: bool = False) -> list[float]:
    """Root mean square distance from where the flow leads; with `smooth` on the path's smooth grid instead of its own."""
    noise = torch.linspace(-2, 2, 8, dtype=torch.float64).reshape(8, 1, 1)
    exact = TRUTH.flow_map(path, noise)
    denoise: Denoiser = lambda x_t, t: TRUTH.ends(path, x_t, t)  # noqa: E731
    found = []
    for count in steps:
        times = path.smooth_grid(count, noise) if smooth else sampler(count).times(path, noise)
        clock = times[:, None].expand(-1, 8).unbind()
        found.append((sampler(count)(denoise, path, noise, None, clock) - exact).square().mean().sqrt().item())
    return found


def observed_order(sampler: type[Sampler], path: Path, steps: list[int], smooth: bool = False) -> float:
    """Least-squares slope of log error over log 1/n."""
    found = errors(sampler, path, steps, smooth)
    assert found[0] > found[-1] > 1e-12, "rounding, not the method"
    return -np.polyfit([math.log(n) for n in steps], np.log(found), 1)[0]


@pytest.mark.parametrize("path", ALL_PATHS.values(), ids=ALL_PATHS)
@pytest.mark.parametrize("sampler", [DDIM, Euler, Heun])
def test_observed_order_is_the_declared_one_on_every_path(sampler: type[Sampler], path: Path) -> None:
    assert sampler.order is not None
    assert observed_order(sampler, path, [40, 80, 160]) == pytest.approx(sampler.order, abs=0.25)


@pytest.mark.parametrize("path", ALL_PATHS.values(), ids=ALL_PATHS)
def test_the_two_step_rule_has_order_two_on_smooth_grids(path: Path) -> None:
    """Up to a logarithm: log α/σ is infinite at both ends, where the ratios of its steps do not tend to 1."""
    assert DPMpp2M.order == 2
    assert observed_order(DPMpp2M, path, [80, 160, 320], smooth=True) == pytest.approx(2, abs=0.35)


@pytest.mark.parametrize("name", ["squared_cosine", "diffusers"])
def test_on_the_grid_of_diffusers_it_is_far_better_than_first_order(name: str) -> None:
    """That grid is even in t, its last step begins at σ² of 0.04/n or more: asymptotically first order, with a few hundredths
    of the error that first order methods have there."""
    path, steps = ALL_PATHS[name], [10, 20, 40, 160]
    ratios = np.divide(errors(DPMpp2M, path, steps), errors(DDIM, path, steps))
    assert (ratios < [0.75, 0.35, 0.1, 0.05]).all(), ratios


def test_every_deterministic_sampler_declares_an_order() -> None:
    declared = {name: choice.order for name, choice in Sampler.get_known_choices().items()}
    orders = {"ddim": 1, "ddim_leading": 1, "euler": 1, "heun": 2, "dpmpp_2m": 2, "jump": 1}
    assert declared == {
        **orders,
        "ancestral": None,
        "ancestral_leading": None,
        "langevin": None,
        "predictor_corrector": None,
    }
    assert Ancestral.order is None
