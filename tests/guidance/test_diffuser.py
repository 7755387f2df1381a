"""Diffuser's guidance: on Gaussian data and a quadratic energy its mean and variance are known, step by step."""

from itertools import pairwise

import pytest
import torch
from gaussian_truth import PATHS, Gaussian
from torch import Tensor

from lerobot_dp_plus import heads
from lerobot_dp_plus.guidance import Diffuser, NoGuidance, Situation, World
from lerobot_dp_plus.heads.denoising import unmoved
from lerobot_dp_plus.notation import Scene
from lerobot_dp_plus.objectives import DiffusersPath, Diffusion, FlowMatching
from lerobot_dp_plus.samplers import Ancestral, AncestralLeading

TRUTH = Gaussian(torch.tensor([0.4, -0.2], dtype=torch.float64), torch.tensor([0.6, 0.9], dtype=torch.float64))
OFFSET, SCALE = torch.tensor([10.0, 20.0], dtype=torch.float64), torch.tensor([2.0, 5.0], dtype=torch.float64)
STIFF, TARGET = 0.5, torch.tensor([12.0, 15.0], dtype=torch.float64)
WORLD = World(
    Scene(),
    lambda chunks, scene: STIFF / 2 * (chunks - TARGET).square().sum((2, 3)),
    lambda value: OFFSET + SCALE * value,
    lambda value: (value - OFFSET) / SCALE,
)
COUNT = 20_000
every_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)


def denoiser(path):
    return lambda x_t, t: TRUTH.ends(path, x_t, t)


def shift_of(path, strength: float):
    return Diffuser(strength).shift(Situation(path, candidates=1, world=WORLD))


def derived(path, sampler: Ancestral, strength: float) -> tuple[Tensor, Tensor]:
    """Mean and variance of the chunks, (A,): every step is affine in x_t, so both follow from step to step."""
    *inner, _ = sampler.times(path, torch.zeros(1, dtype=torch.float64))
    zero, one = (torch.full((1, 1, 2), value, dtype=torch.float64) for value in (0.0, 1.0))
    mean, variance = zero, one
    for t, u in pairwise(inner):
        t, u = t[None], u[None]
        (at_zero, deviation), (at_one, _) = (sampler.reverse(denoiser(path), path, x, t, u) for x in (zero, one))
        pull = strength * deviation**2 * STIFF * SCALE**2  # ∇E, normalised, is STIFF·SCALE²·(x − goal)
        gain = (1 - pull) * (at_one - at_zero)
        mean = gain * mean + (1 - pull) * at_zero + pull * (TARGET - OFFSET) / SCALE
        variance = gain**2 * variance + deviation**2
    at_zero, at_one = (TRUTH.ends(path, x, inner[-1][None]).x1 for x in (zero, one))
    return (at_zero + (at_one - at_zero) * mean).flatten(), ((at_one - at_zero) ** 2 * variance).flatten()


@every_path
@pytest.mark.parametrize("strength", [0.0, 0.02, 0.1])
def test_mean_and_variance_are_as_derived(path, strength: float) -> None:
    sampler, noise = Ancestral(20), torch.randn(COUNT, 1, 2, dtype=torch.float64)
    shift = shift_of(path, strength)
    chunks = sampler(denoiser(path), path, noise, torch.Generator().manual_seed(3), None, shift)[:, 0]
    mean, variance = derived(path, sampler, strength)
    assert ((chunks.mean(0) - mean).abs() < 4 * (variance / COUNT).sqrt()).all()
    assert ((chunks.var(0) / variance - 1).abs() < 4 * (2 / COUNT) ** 0.5).all()
    if strength == 0.1:
        goal = (TARGET - OFFSET) / SCALE
        assert ((mean - goal).abs() < 0.9 * (TRUTH.mean - goal).abs()).all(), "they are led there"


@every_path
def test_a_step_is_moved_by_the_variance_times_the_gradient(path) -> None:
    mean, variance = torch.randn(7, 3, 2, dtype=torch.float64), torch.rand(7, 1, 1, dtype=torch.float64)
    slope = SCALE * STIFF * (OFFSET + SCALE * mean - TARGET)
    for mode in (torch.enable_grad, torch.no_grad, torch.inference_mode):
        with mode():
            torch.testing.assert_close(shift_of(path, 0.3)(mean.clone(), variance), -0.3 * variance * slope)


def test_one_step_has_no_variance_and_is_not_moved() -> None:
    path, noise = PATHS["squared_cosine"], torch.randn(4, 3, 2, dtype=torch.float64)
    plain, led = (Ancestral(1)(denoiser(path), path, noise, None, None, s) for s in (None, shift_of(path, 5.0)))
    assert torch.equal(plain, led)


def test_strength_zero_is_no_guidance_at_all() -> None:
    path = PATHS["straight"]
    assert shift_of(path, 0.0) is None and NoGuidance().shift(Situation(path)) is None
    made = denoiser(path)
    assert Diffuser(0.5).wrap(made, Situation(path)) is made


def test_both_samplers_of_the_reverse_chain_have_the_same_step() -> None:
    """On one grid: their means and deviations are those of DDPM, written in two ways."""
    path = DiffusersPath()
    x, t, u = torch.randn(5, 3, 2, dtype=torch.float64), torch.full((5,), 0.4), torch.full((5,), 0.6)
    said = [each(5).reverse(denoiser(path), path, x, t.double(), u.double()) for each in (Ancestral, AncestralLeading)]
    for one, other in zip(*said, strict=True):
        torch.testing.assert_close(one.expand_as(other), other, rtol=1e-5, atol=1e-5)


def test_what_is_fixed_is_not_moved() -> None:
    fixed = torch.tensor([float("nan"), 0.3]).reshape(1, 1, 2)
    moved = unmoved(lambda mean, variance: variance * torch.ones_like(mean), fixed)
    assert moved(torch.zeros(1, 1, 2), torch.full((1, 1, 1), 0.2)).flatten().tolist() == pytest.approx([0.2, 0.0])


def test_a_sampler_without_a_variance_is_refused_by_name() -> None:
    check = heads.head_of(Diffusion()).check
    check(Diffusion(), Ancestral(), Diffuser(), 1.0)
    check(FlowMatching(), Ancestral(), Diffuser(), 1.0)
    from lerobot_dp_plus.samplers import DDIM, Langevin

    for sampler, name in ((DDIM(), "ddim"), (Langevin(), "langevin")):
        with pytest.raises(
            ValueError,
            match=rf"guidance\.type = diffuser .*sampler\.type = {name} have no Σ; legal are \['ancestral', ",
        ):
            check(Diffusion(), sampler, Diffuser(), 1.0)


@pytest.mark.parametrize("strength", [-1.0, float("nan"), float("inf")])
def test_illegal_strengths_are_named(strength: float) -> None:
    with pytest.raises(ValueError, match=rf"guidance\.strength = {strength}: must be at least 0"):
        Diffuser(strength)
