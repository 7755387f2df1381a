"""Guidance: the identity, and one exact gradient step on the energy it names."""

import pytest
import torch
from gaussian_truth import PATHS
from torch import Tensor

from lerobot_dp_plus.guidance import NoGuidance, Situation, Smoothness
from lerobot_dp_plus.notation import Prediction
from lerobot_dp_plus.paths import Path

T = torch.tensor([0.2, 0.5, 0.8], dtype=torch.float64)
every_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)


def energy(chunks: Tensor) -> Tensor:
    """½Σ_j ‖a_{j+1} − 2·a_j + a_{j−1}‖² of each chunk, (B,)."""
    steps = range(1, chunks.shape[1] - 1)
    return sum(0.5 * (chunks[:, j + 1] - 2 * chunks[:, j] + chunks[:, j - 1]).square().sum(-1) for j in steps)


def some_denoiser(path: Path, horizon: int = 9):
    x1, x_t = torch.randn(2, 3, horizon, 2, dtype=torch.float64)
    return (lambda x_t, t: path.with_data(x1, x_t, t)), x_t, x1


@every_path
def test_none_is_the_identity(path: Path) -> None:
    denoise, x_t, _ = some_denoiser(path)
    for guided, free in zip(NoGuidance().wrap(denoise, Situation(path=path))(x_t, T), denoise(x_t, T), strict=True):
        assert torch.equal(guided, free)


@every_path
def test_smoothness_is_one_gradient_step_on_the_energy(path: Path) -> None:
    denoise, x_t, x1 = some_denoiser(path)
    guided = Smoothness(strength=0.07).wrap(denoise, Situation(path=path))(x_t, T)
    leaf = x1.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(energy(leaf).sum(), leaf)
    torch.testing.assert_close(guided.x1, x1 - 0.07 * gradient)
    assert (energy(guided.x1) < energy(x1)).all()
    torch.testing.assert_close(path.interpolate(*guided, T), x_t)


@every_path
def test_what_is_bent_stays_within_the_bound_and_keeps_the_noise_where_asked(path: Path) -> None:
    denoise, x_t, _ = some_denoiser(path)
    bent, strength = Smoothness(0.1).wrap(denoise, Situation(path=path))(x_t, T).x1, Smoothness(0.1)
    assert bent.abs().max() > 1
    bound = strength.wrap(denoise, Situation(path=path, bound=1.0))(x_t, T)
    torch.testing.assert_close(bound.x1, bent.clamp(-1, 1))
    torch.testing.assert_close(path.interpolate(*bound, T), x_t)
    kept = strength.wrap(denoise, Situation(path=path, bound=1.0, keep_noise=True))(x_t, T)
    assert torch.equal(kept.x1, bound.x1) and torch.equal(kept.x0, denoise(x_t, T).x0)


def test_energy_never_rises_up_to_the_largest_strength() -> None:
    """The worst chunk alternates: its energy is the largest eigenvalue's."""
    path = PATHS["straight"]
    x1 = (torch.arange(64) % 2 * 2.0 - 1).double().reshape(1, 64, 1)
    denoise = lambda x_t, t: Prediction(x_t, x1)  # noqa: E731
    guided = Smoothness(strength=0.1249).wrap(denoise, Situation(path=path))(torch.zeros_like(x1), T[:1])
    assert energy(guided.x1) < energy(x1)


@every_path
def test_straight_lines_and_zero_strength_stay(path: Path) -> None:
    line = torch.linspace(-1, 1, 9, dtype=torch.float64)[None, :, None].expand(3, 9, 2)
    guided = Smoothness(0.1).wrap(lambda x_t, t: path.with_data(line, x_t, t), Situation(path=path))(
        torch.randn(3, 9, 2).double(), T
    )
    torch.testing.assert_close(guided.x1, line)
    denoise, x_t, x1 = some_denoiser(path)
    torch.testing.assert_close(Smoothness(0.0).wrap(denoise, Situation(path=path))(x_t, T).x1, x1)


@pytest.mark.parametrize("horizon", [1, 2])
def test_chunks_too_short_to_bend_stay(horizon: int) -> None:
    denoise, x_t, x1 = some_denoiser(PATHS["straight"], horizon)
    assert torch.equal(Smoothness(0.1).wrap(denoise, Situation(path=PATHS["straight"]))(x_t, T).x1, x1)


@pytest.mark.parametrize("strength", [-0.01, 0.125])
def test_strengths_that_diverge_are_refused(strength: float) -> None:
    with pytest.raises(ValueError, match=rf"guidance\.strength = {strength}: must be in \[0, 0\.125\)"):
        Smoothness(strength)
