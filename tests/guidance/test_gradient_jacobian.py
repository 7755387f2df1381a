"""Guidance through the network: on Gaussian data the step is that of the posterior covariance, in closed form."""

import pytest
import torch
from gaussian_truth import PATHS, Gaussian
from torch import Tensor

from lerobot_dp_plus.guidance import Gradient, Situation, World
from lerobot_dp_plus.notation import Scene

TRUTH = Gaussian(torch.tensor([0.3, -0.2], dtype=torch.float64), torch.tensor([0.5, 1.5], dtype=torch.float64))
B, N, H = 2, 3, 4
OFFSET, SCALE = torch.tensor([10.0, 20.0], dtype=torch.float64), torch.tensor([2.0, 5.0], dtype=torch.float64)
WORLD = World(
    Scene(),
    lambda chunks, scene: 0.5 * (chunks - OFFSET).square().sum((2, 3)),
    lambda value: OFFSET + SCALE * value,
    lambda value: (value - OFFSET) / SCALE,
)


def wrapped(path, guidance: Gradient):
    def denoise(x_t: Tensor, t: Tensor):
        return TRUTH.ends(path, x_t, t)

    return denoise, guidance.wrap(denoise, Situation(path, candidates=N, world=WORLD))


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("moment", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("steps", [1, 3])
def test_a_step_follows_the_posterior_covariance(name: str, moment: float, steps: int) -> None:
    path, t = PATHS[name], torch.full((B * N,), moment, dtype=torch.float64)
    x_t, strength = torch.randn(B * N, H, 2, dtype=torch.float64), 1e-3
    denoise, guided = wrapped(path, Gradient(strength=strength, inner_steps=steps, jacobian=True))
    before, after = denoise(x_t, t), guided(x_t, t)
    alpha, sigma = path.alpha(t)[0], path.sigma(t)[0]
    covariance = sigma**2 * TRUTH.std**2 / (alpha**2 * TRUTH.std**2 + sigma**2)  # Var[x₁ | x_t]
    expected = before.x1
    for _ in range(steps):
        expected = expected - strength * covariance * SCALE**2 * expected  # ∇E, normalised
    torch.testing.assert_close(after.x1, expected)
    torch.testing.assert_close(alpha * after.x1 + sigma * after.x0, x_t)  # the noise end explains the rest


def test_gradient_modes_of_torch_change_nothing() -> None:
    path, t = PATHS["straight"], torch.full((B * N,), 0.5, dtype=torch.float64)
    x_t = torch.randn(B * N, H, 2, dtype=torch.float64)
    _, guided = wrapped(path, Gradient(strength=0.01, jacobian=True))
    expected = guided(x_t, t).x1
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            found = guided(x_t, t)
        torch.testing.assert_close(found.x1, expected)
        assert not found.x1.requires_grad


@pytest.mark.parametrize("jacobian", [False, True])
def test_strength_zero_is_the_policy_itself(jacobian: bool) -> None:
    denoise, guided = wrapped(PATHS["straight"], Gradient(strength=0.0, inner_steps=5, jacobian=jacobian))
    assert guided is denoise


@pytest.mark.parametrize("jacobian", [False, True])
def test_a_clip_bounds_what_a_call_moves(jacobian: bool) -> None:
    path, t = PATHS["straight"], torch.full((B * N,), 0.5, dtype=torch.float64)
    x_t = torch.randn(B * N, H, 2, dtype=torch.float64)
    denoise, guided = wrapped(path, Gradient(strength=0.5, inner_steps=2, clip=0.03, jacobian=jacobian))
    moved = (guided(x_t, t).x1 - denoise(x_t, t).x1).abs()
    assert moved.max() == pytest.approx(0.03) and moved.max() <= 0.03 + 1e-12


def test_inner_steps_are_steps_one_after_the_other() -> None:
    path, t = PATHS["straight"], torch.full((B * N,), 0.5, dtype=torch.float64)
    x_t = torch.randn(B * N, H, 2, dtype=torch.float64)
    denoise, guided = wrapped(path, Gradient(strength=0.01, inner_steps=3))
    torch.testing.assert_close(guided(x_t, t).x1, denoise(x_t, t).x1 * (1 - 0.01) ** 3)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"inner_steps": 0}, r"guidance\.inner_steps = 0"),
        ({"clip": 0.0}, r"guidance\.clip = 0\.0"),
        ({"strength": float("inf")}, r"guidance\.strength = inf"),
    ],
)
def test_illegal_fields_are_refused_by_name(fields: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Gradient(**fields)


def test_an_energy_whose_gradient_is_no_number_is_refused() -> None:
    world = World(Scene(), lambda chunks, scene: (chunks * float("nan")).sum((2, 3)), WORLD.physical, WORLD.normalised)
    guided = Gradient(strength=0.1).wrap(
        lambda x_t, t: TRUTH.ends(PATHS["straight"], x_t, t), Situation(PATHS["straight"], candidates=N, world=world)
    )
    with pytest.raises(FloatingPointError, match="the gradient of the energies is not finite"):
        guided(torch.randn(B * N, H, 2, dtype=torch.float64), torch.full((B * N,), 0.5, dtype=torch.float64))
