"""Every sampler × path × parametrisation carries N(0, 1) to N(μ, s²), along the flow map where it is deterministic."""

import pytest
import torch
from gaussian_truth import PATHS, Gaussian, exact_denoiser

from lerobot_dp_plus.notation import Prediction
from lerobot_dp_plus.paths import PARAMETRISATIONS, Parametrisation, StraightPath
from lerobot_dp_plus.samplers import DDIM, Ancestral, DPMpp2M, Euler, Heun, Langevin, PredictorCorrector, Sampler

TRUTH = Gaussian(torch.tensor([0.4, -0.2], dtype=torch.float64), torch.tensor([0.6, 0.2], dtype=torch.float64))
#: ε on the straight path says nothing about the data where sampling starts: x₀ = x_t at t = 0, so that row is left out.
PAIRS = [
    pytest.param(path, kind, id=f"{name}-{kind}")
    for name, path in PATHS.items()
    for kind in PARAMETRISATIONS
    if (name, kind) != ("straight", "epsilon")
]
DETERMINISTIC = [DDIM, Euler, Heun, DPMpp2M]
STOCHASTIC = [Ancestral, Langevin, PredictorCorrector]


@pytest.mark.parametrize(("path", "kind"), PAIRS)
@pytest.mark.parametrize("sampler", DETERMINISTIC)
def test_deterministic_samplers_follow_the_flow_map(path, kind: Parametrisation, sampler: type[Sampler]) -> None:
    noise = torch.linspace(-2, 2, 10, dtype=torch.float64).reshape(5, 1, 2)
    chunks = sampler(num_steps=120)(exact_denoiser(TRUTH, path, kind), path, noise)
    tolerance = {1: 4e-2, 2: 2e-3}[sampler.order]
    torch.testing.assert_close(chunks, TRUTH.flow_map(path, noise), rtol=0, atol=tolerance)


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_ten_steps_of_second_order_beat_ten_of_first(path) -> None:
    noise = torch.linspace(-2, 2, 10, dtype=torch.float64).reshape(5, 1, 2)
    denoise, exact = exact_denoiser(TRUTH, path, "v"), TRUTH.flow_map(path, noise)
    errors = {s: (s(num_steps=10)(denoise, path, noise) - exact).abs().max() for s in (DDIM, DPMpp2M)}
    assert errors[DPMpp2M] < 0.8 * errors[DDIM]


@pytest.mark.parametrize(("path", "kind"), PAIRS)
def test_ancestral_sampling_gives_the_moments(path, kind: Parametrisation) -> None:
    """To O(1/n): each step knows E[x₁ | x_t] but not its spread, the more so the wider the data."""
    wide, count = Gaussian(TRUTH.mean, torch.tensor([0.6, 1.0], dtype=torch.float64)), 6000
    noise = torch.randn(count, 1, 2, dtype=torch.float64)
    chunks = Ancestral(num_steps=150)(exact_denoiser(wide, path, kind), path, noise)[:, 0]
    assert ((chunks.mean(0) - wide.mean).abs() < 4 * wide.std / count**0.5).all()
    assert ((chunks.std(0) / wide.std - 1).abs() < 4 / (2 * count) ** 0.5 + 0.03).all()
    # Stochastic: the result keeps little of its starting point, while the flow map keeps all.
    correlation = torch.corrcoef(torch.stack([noise[:, 0, 0], chunks[:, 0]]))[0, 1]
    assert correlation.abs() < 0.1


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize(("start", "end"), [(0.0, 0.1), (0.3, 0.5), (0.9, 0.99)])
def test_an_ancestral_step_is_the_posterior_of_bayes(path, start: float, end: float) -> None:
    """x_u given x_t = r·x_u + s·noise and x₁: precisions add up, means are weighted by them."""
    t, u = (torch.full((40000,), time, dtype=torch.float64) for time in (start, end))
    x1, x_t = 0.7, 0.2
    alpha, sigma = path.alpha(u[0]), path.sigma(u[0])
    ratio = path.alpha(t[0]) / alpha
    transition = path.sigma(t[0]) ** 2 - ratio**2 * sigma**2
    variance = 1 / (1 / sigma**2 + ratio**2 / transition)
    mean = variance * (alpha * x1 / sigma**2 + ratio * x_t / transition)

    def denoise(x: torch.Tensor, t: torch.Tensor) -> Prediction:
        return path.with_data(torch.full_like(x, x1), x, t)

    x = torch.full((40000, 1, 1), x_t, dtype=torch.float64)
    draws, _ = Ancestral(2).step(denoise, path, x, t, u, None, None)
    assert (draws.mean() - mean).abs() < 4 * variance.sqrt() / 200
    assert (draws.var() / variance - 1).abs() < 4 * (2 / 40000) ** 0.5


@pytest.mark.parametrize("sampler", STOCHASTIC)
def test_a_stochastic_sampler_draws_from_the_generator(sampler: type[Sampler]) -> None:
    path, noise = PATHS["squared_cosine"], torch.randn(4, 3, 2, dtype=torch.float64)
    denoise = exact_denoiser(TRUTH, path, "epsilon")
    first, second, other = (
        sampler(num_steps=5)(denoise, path, noise, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, second) and (first != other).all()


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("sampler", [DDIM, DPMpp2M, *STOCHASTIC])
def test_one_step_returns_the_predicted_data(path, sampler: type[Sampler]) -> None:
    noise = torch.randn(3, 2, 2, dtype=torch.float64)
    denoise = exact_denoiser(TRUTH, path, "v")
    chunks = sampler(num_steps=1)(denoise, path, noise)
    torch.testing.assert_close(chunks, denoise(noise, torch.zeros(3, dtype=torch.float64)).x1)


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_ddim_is_euler(path) -> None:
    noise, denoise = torch.randn(4, 3, 2, dtype=torch.float64), exact_denoiser(TRUTH, path, "v")
    assert torch.equal(DDIM(7)(denoise, path, noise), Euler(7)(denoise, path, noise))


@pytest.mark.parametrize("num_steps", [1, 2, 5])
def test_on_the_straight_path_both_methods_are_the_textbooks(num_steps: int) -> None:
    """In t, on dx/dt = v, up to the last step, which is Euler's: what saved flow matching policies do."""
    path, noise = StraightPath(), torch.randn(4, 3, 2, dtype=torch.float64)
    denoise, h = exact_denoiser(TRUTH, path, "v"), 1 / num_steps

    def velocity(x: torch.Tensor, time: float) -> torch.Tensor:
        x0, x1 = denoise(x, torch.full((4,), time, dtype=torch.float64))
        return x1 - x0

    euler = heun = noise
    for step in range(num_steps):
        euler = euler + h * velocity(euler, step * h)
        start = velocity(heun, step * h)
        ahead = heun + h * start
        heun = ahead if step == num_steps - 1 else heun + h / 2 * (start + velocity(ahead, (step + 1) * h))
    torch.testing.assert_close(Euler(num_steps)(denoise, path, noise), euler, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(Heun(num_steps)(denoise, path, noise), heun, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("sampler", [*DETERMINISTIC, *STOCHASTIC])
@pytest.mark.parametrize("num_steps", [1, 2, 3, 10])
def test_calls_are_counted_ordered_and_finite_in_float32(path, sampler: type[Sampler], num_steps: int) -> None:
    times = []
    exact = exact_denoiser(TRUTH, path, "v")

    def denoise(x_t: torch.Tensor, t: torch.Tensor) -> Prediction:
        assert t.shape == (x_t.shape[0],) and (t < 1).all()
        times.append(t[0].item())
        return Prediction(*(end.float() for end in exact(x_t.double(), t.double())))

    made = sampler(num_steps=num_steps)
    noise = torch.randn(3, 2, 2)
    before = noise.clone()
    chunks = made(denoise, path, noise)
    assert len(times) == made.num_calls and times == sorted(times) and times[0] == 0
    assert chunks.shape == noise.shape and chunks.dtype == torch.float32 and chunks.isfinite().all()
    assert torch.equal(noise, before)


@pytest.mark.parametrize("sampler", [*DETERMINISTIC, *STOCHASTIC])
def test_zero_steps_are_refused(sampler: type[Sampler]) -> None:
    with pytest.raises(ValueError, match=r"sampler\.num_steps = 0: must be at least 1"):
        sampler(num_steps=0)
