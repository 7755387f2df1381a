"""Weights and widths of three modes, for every combination offered, at the sampler's own number of steps and at many.

Deterministic samplers start from quantiles of N(0, 1), so that chance has no part and a few hundred tell a weight to 1/300;
stochastic ones from as many draws as tell it to 0.03, four standard deviations of a share. What is allowed beyond is what
steps of that length cost: measured, rounded up, and less than half of it with five times the steps.
"""

from itertools import product

import pytest
import torch
from gaussian_truth import ALL_PATHS, ExactJumps, ExactNetwork
from test_landing import SAMPLERS, fits, objectives

from benchmarks.mixture import Judgement, Mixture, even_noise
from lerobot_dp_plus.objectives import Diffusion, FlowMatching, Objective, Shortcut
from lerobot_dp_plus.paths import even_grid
from lerobot_dp_plus.samplers import DDIM, DPMpp2M, Euler, Heun, Sampler

#: Unequal in all they can differ in; the nearest two are 6 of their widths apart.
TRUTH = Mixture(weights=(0.5, 0.2, 0.3), means=(-0.7, 0.1, 0.75), widths=(0.1, 0.14, 0.09))
QUANTILES, DRAWS = 300, 4000
CASES = [
    pytest.param(objective, sampler, id=f"{name}-{choice}")
    for (name, objective), (choice, sampler) in product(objectives(), SAMPLERS.items())
    if fits(sampler, objective)
]


def judged(objective: Objective, sampler: Sampler, even: bool = False) -> Judgement:
    """What a perfect network makes of noise; with `even` on a grid even in t."""
    path = objective.sampling_path
    network = (ExactJumps if isinstance(objective, Shortcut) else ExactNetwork)(TRUTH, path, objective.prediction)
    kept = {"keep_noise": True} if "kept_noise" in sampler.needs else {}
    stochastic = sampler.order is None
    noise = torch.randn(DRAWS, 1, 1, dtype=torch.float64) if stochastic else even_noise(QUANTILES)
    clock = even_grid(sampler.num_steps, noise)[:, None].expand(-1, len(noise)).unbind() if even else None
    return TRUTH.judge(sampler(objective.denoiser(network, None, **kept), path, noise, None, clock))


def weight_error(found: Judgement) -> float:
    return max(abs(one - other) for one, other in zip(found.weights, TRUTH.weights, strict=True))


def chance(sampler: Sampler) -> float:
    """Of a weight."""
    share = max(TRUTH.weights)
    return 4 * (share * (1 - share) / DRAWS) ** 0.5 if sampler.order is None else 1 / QUANTILES


@pytest.mark.parametrize(("objective", "sampler"), CASES)
def test_weights_and_widths(objective: Objective, sampler: type[Sampler]) -> None:
    made = sampler()
    found = judged(objective, made)
    allowed, least, most = (0.03, 0.7, 1.25) if made.order == 2 else (0.05, 0.8, 1.3)
    if "diffusion_steps" in made.needs and ALL_PATHS["squared_cosine"].num_train_steps < objective.path.num_train_steps:
        # The grid is diffusers' by definition, even in t where these schedules are not; `ddim` and `ancestral` are served.
        allowed, most = 0.07, 1.7
    assert weight_error(found) < allowed + chance(made), found
    assert all(least < spread < most for spread in found.spreads), found
    assert found.stray < 1e-3, "nothing far from every mode"


@pytest.mark.parametrize("name", ALL_PATHS)
@pytest.mark.parametrize("choice", [name for name, sampler in SAMPLERS.items() if sampler.needs == {"denoiser"}])
def test_more_steps_are_nearer(name: str, choice: str) -> None:
    objective = (
        FlowMatching(prediction="x1") if name == "straight" else Diffusion("x1", ALL_PATHS[name], clip_range=None)
    )
    sampler = SAMPLERS[choice](num_steps=50)
    found = judged(objective, sampler)
    allowed, least, most = (0.005, 0.88, 1.05) if sampler.order == 2 else (0.015, 0.78, 1.1)
    assert weight_error(found) < allowed + chance(sampler), found
    assert all(least < spread < most for spread in found.spreads), found


@pytest.mark.parametrize("name", ["linear_beta", "diffusers_linear"])
@pytest.mark.parametrize("sampler", [DDIM(), DPMpp2M(), Heun(5)], ids=lambda s: type(s).__name__)
def test_the_grid_of_the_linear_schedule_is_what_serves_it(name: str, sampler: Sampler) -> None:
    """Even in t, as it was, the mode in the middle is half as wide again: mass between modes."""
    objective = Diffusion("x1", ALL_PATHS[name], clip_range=None)
    even, served = (judged(objective, sampler, even=flag) for flag in (True, False))
    assert max(even.spreads) > 1.5 > 1.3 > max(served.spreads)
    assert weight_error(served) < weight_error(even) and served.distance < 0.5 * even.distance


def test_of_ten_calls_on_the_straight_path_the_two_step_rule_makes_most() -> None:
    """Where `heun` can make five steps: why it is no default."""
    objective = FlowMatching(prediction="x1")
    two_step, euler, heun = (judged(objective, sampler) for sampler in (DPMpp2M(10), Euler(10), Heun(5)))
    assert weight_error(two_step) < 0.5 * weight_error(euler)
    assert two_step.distance < 0.7 * min(euler.distance, heun.distance)
    assert max(two_step.spreads) < 1.1 and max(heun.spreads) > 1.3
