"""Langevin steps: the variance they end at, in closed form, and samplers made of them."""

import re

import pytest
import torch
from gaussian_truth import ALL_PATHS, PATHS, Gaussian, exact_denoiser
from test_mixture import TRUTH as THREE_MODES
from test_mixture import judged, weight_error
from torch import Tensor

from lerobot_dp_plus.objectives import Diffusion
from lerobot_dp_plus.paths import Path
from lerobot_dp_plus.samplers import DDIM, Langevin, PredictorCorrector, Sampler

WIDE = Gaussian(torch.tensor([0.4, -0.2], dtype=torch.float64), torch.tensor([0.6, 0.05], dtype=torch.float64))
every_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)


def one_step(sampler: Langevin, path: Path, time: float) -> tuple[Tensor, Tensor, Tensor]:
    """Slope a, shift b and noise c of a step x -> a·x + b + c·z, each (A,), and all there is to say of it for a Gaussian."""
    denoise, t = exact_denoiser(WIDE, path, "x1"), torch.full((1,), time, dtype=torch.float64)

    def step(value: float) -> Tensor:
        x = torch.full((1, 1, 2), value, dtype=torch.float64)
        return sampler.correct(denoise, path, x, t, torch.Generator().manual_seed(3))[0][0, 0]

    z = torch.randn(1, 1, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))[0, 0]
    slope = step(1.0) - step(0.0)
    variance = (path.alpha(t) * WIDE.std) ** 2 + path.sigma(t) ** 2
    shift = (1 - slope) * path.alpha(t) * WIDE.mean
    return slope, (step(0.0) - shift) / z, variance


@pytest.mark.parametrize("path", ALL_PATHS.values(), ids=ALL_PATHS)
@pytest.mark.parametrize("time", [0.05, 0.3, 0.6, 0.9, 0.98])
@pytest.mark.parametrize("rate", [0.04, 0.3])
def test_steps_end_at_the_variance_that_they_claim(path: Path, time: float, rate: float) -> None:
    """v = a²·v + c²; the shift is that of the right mean, or else c would not be the same at every z."""
    a, c, variance = one_step(Langevin(rate=rate), path, time)
    t = torch.tensor([time], dtype=torch.float64)
    torch.testing.assert_close(c.abs(), (2 * rate) ** 0.5 * path.sigma(t).expand(2), rtol=1e-8, atol=0)
    found = c**2 / (1 - a**2)
    torch.testing.assert_close(found, variance / (1 - rate * path.sigma(t) ** 2 / (2 * variance)), rtol=1e-7, atol=0)
    assert (found >= variance).all() and (found <= variance * (1 + 0.51 * rate / (1 - rate / 2))).all()
    if rate == Langevin.rate:
        assert (found / variance < 1.0205).all(), "within 2 %, at the default"


@every_path
def test_a_wrong_spread_fades_to_the_right_one(path: Path) -> None:
    """Many draws from a point, for as many steps as the noise needs: the variance is right within 2 % and chance."""
    count, sampler = 60_000, Langevin()
    denoise, t = exact_denoiser(WIDE, path, "v"), torch.full((count,), 0.4, dtype=torch.float64)
    x, rng = torch.zeros(count, 1, 2, dtype=torch.float64), torch.Generator().manual_seed(0)
    for _ in range(250):
        x, _ = sampler.correct(denoise, path, x, t, rng)
    variance = (path.alpha(t[0]) * WIDE.std) ** 2 + path.sigma(t[0]) ** 2
    allowed = 4 * (2 / count) ** 0.5
    assert ((x[:, 0].var(0) / variance - 1 > -allowed) & (x[:, 0].var(0) / variance - 1 < 0.0205 + allowed)).all()
    assert ((x[:, 0].mean(0) - path.alpha(t[0]) * WIDE.mean).abs() < 4 * (variance / count).sqrt()).all()


@every_path
@pytest.mark.parametrize(
    "sampler", [Langevin(40, corrections=2), PredictorCorrector(80)], ids=lambda s: type(s).__name__
)
def test_samplers_give_the_moments(path: Path, sampler: Sampler) -> None:
    count = 6000
    noise = torch.randn(count, 1, 2, dtype=torch.float64)
    chunks = sampler(exact_denoiser(WIDE, path, "x1"), path, noise)[:, 0]
    assert ((chunks.mean(0) - WIDE.mean).abs() < 4 * WIDE.std / count**0.5 + 0.005).all()
    assert ((chunks.std(0) / WIDE.std - 1).abs()[0] < 4 / (2 * count) ** 0.5 + 0.03).all()


@every_path
def test_a_level_hands_its_noise_on(path: Path) -> None:
    """With the data known, x₀ becomes (1 − rate)·x₀ + √(2·rate)·z at each step, and this is what the next level begins with."""
    data, x_t = torch.randn(2, 4, 3, 2, dtype=torch.float64)
    t, u = (torch.full((4,), time, dtype=torch.float64) for time in (0.4, 0.7))
    denoise = lambda x, t: path.with_data(data, x, t)  # noqa: E731
    found, _ = Langevin(corrections=2, rate=0.3).step(denoise, path, x_t, t, u, None, torch.Generator().manual_seed(1))
    expected, rng = denoise(x_t, t).x0, torch.Generator().manual_seed(1)
    for _ in range(2):
        expected = 0.7 * expected + 0.6**0.5 * torch.randn(x_t.shape, dtype=x_t.dtype, generator=rng)
    torch.testing.assert_close(found, path.interpolate(expected, data, u))


@pytest.mark.parametrize("name", ALL_PATHS)
def test_without_corrections_it_is_ddim(name: str) -> None:
    path, noise = ALL_PATHS[name], torch.randn(5, 3, 2, dtype=torch.float64)
    denoise = exact_denoiser(WIDE, path, "v")
    assert torch.equal(PredictorCorrector(7, corrections=0)(denoise, path, noise), DDIM(7)(denoise, path, noise))


@pytest.mark.parametrize("name", ["squared_cosine", "linear_beta", "diffusers"])
def test_corrections_take_back_what_the_predictor_gets_wrong(name: str) -> None:
    """The weights of three modes."""
    objective = Diffusion("x1", ALL_PATHS[name], clip_range=None)
    alone, corrected = (judged(objective, s) for s in (DDIM(10), PredictorCorrector(10, corrections=5, rate=0.1)))
    assert weight_error(alone) > 0.025 and weight_error(corrected) < 0.6 * weight_error(alone)
    assert corrected.distance < 0.75 * alone.distance


@every_path
def test_levels_alone_find_the_weights_of_modes(path: Path) -> None:
    """From noise, over twenty levels."""
    noise = torch.randn(4000, 1, 1, dtype=torch.float64)
    found = THREE_MODES.judge(
        Langevin(20, rate=0.1)(lambda x, t: THREE_MODES.ends(path, x, t), path, noise, torch.Generator().manual_seed(0))
    )
    chance = 4 * (0.25 / 4000) ** 0.5
    assert weight_error(found) < 0.015 + chance and all(0.75 < spread < 1.1 for spread in found.spreads), found


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Langevin(corrections=0), "sampler.corrections = 0: must be at least 1"),
        (lambda: PredictorCorrector(corrections=-1), "sampler.corrections = -1: must be at least 0"),
        (lambda: Langevin(rate=0.0), "sampler.rate = 0.0: must be in (0, 2)"),
        (lambda: PredictorCorrector(rate=2.0), "sampler.rate = 2.0: must be in (0, 2)"),
    ],
)
def test_what_diverges_or_does_nothing_is_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make()
