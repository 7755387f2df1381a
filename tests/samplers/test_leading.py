"""`ancestral_leading` and `ddim_leading` on the path `diffusers` are the schedulers of diffusers, digit for digit."""

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from torch import Tensor

from lerobot_dp_plus.notation import Condition, Network
from lerobot_dp_plus.objectives import DiffusersPath, Diffusion
from lerobot_dp_plus.objectives.diffusers_path import SCHEDULES
from lerobot_dp_plus.paths import LinearBetaPath, SquaredCosinePath
from lerobot_dp_plus.samplers import AncestralLeading, DDIMLeading

SCHEDULERS = {AncestralLeading: DDPMScheduler, DDIMLeading: DDIMScheduler}
PREDICTIONS = {"epsilon": "epsilon", "x1": "sample"}


def scheduler(kind: type, path: DiffusersPath, **options):
    return kind(
        num_train_timesteps=path.num_train_steps,
        beta_schedule=SCHEDULES[path.schedule],
        beta_start=path.beta_start,
        beta_end=path.beta_end,
        **options,
    )


class Guess(Network):
    """A bounded nonlinear guess, beyond ±1 for clipping to bite; whole steps only."""

    def condition(self, observation: Tensor) -> Condition:
        return None

    def forward(self, x_t: Tensor, time: Tensor, condition: Condition, end: Tensor | None = None) -> Tensor:
        assert torch.equal(time, time.round())
        return 1.4 * torch.tanh(1.5 * x_t + 0.5 * torch.cos(time / 7)[:, None, None])


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("steps", [10, 100, 1000])
def test_table_and_times_are_those_of_diffusers(schedule: str, steps: int) -> None:
    path = DiffusersPath(steps, schedule, 2e-4, 0.03)
    t = torch.arange(steps + 1) / steps
    reference = scheduler(DDPMScheduler, path).alphas_cumprod
    assert torch.equal(path.alpha_bar(t), torch.cat([torch.ones(1), reference]).flip(0))
    assert torch.equal(path.network_time(t), torch.arange(steps - 1, -2, -1.0))


@pytest.mark.parametrize("sampler", SCHEDULERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("kind", PREDICTIONS)
@pytest.mark.parametrize("num_steps", [1, 7, 10, 100])
@pytest.mark.parametrize("clip_range", [0.8, None])
def test_same_chunks(sampler, schedule: str, kind, num_steps: int, clip_range: float | None) -> None:
    path, network, noise = DiffusersPath(100, schedule), Guess(), torch.randn(3, 4, 2)
    clip = {"clip_sample": clip_range is not None, "clip_sample_range": clip_range or 1.0}
    reference = scheduler(SCHEDULERS[sampler], path, prediction_type=PREDICTIONS[kind], **clip)
    reference.set_timesteps(num_steps)
    torch.manual_seed(3)
    expected = noise
    for k in reference.timesteps:
        expected = reference.step(network(expected, k.expand(3).float(), None), k, expected).prev_sample
    torch.manual_seed(3)
    keep = {"keep_noise": True} if "kept_noise" in sampler.needs else {}
    denoise = Diffusion(prediction=kind, path=path, clip_range=clip_range).denoiser(network, None, **keep)
    actual = sampler(num_steps)(denoise, path, noise)
    assert torch.equal(actual, expected)
    assert (actual - noise).abs().max() > 1e-3


def test_between_its_steps_the_path_is_close_to_the_exact_one() -> None:
    t = torch.linspace(0.02, 1, 500, dtype=torch.float64)
    for schedule, exact, tolerance in (
        ("squared_cosine", SquaredCosinePath(100), 2e-2),  # log ᾱ is drawn straight between its steps
        ("linear_beta", LinearBetaPath(100, 1e-4, 0.02), 1e-5),
    ):
        path = DiffusersPath(100, schedule, 1e-4, 0.02)
        for quantity in ("alpha", "sigma"):
            found, wanted = getattr(path, quantity)(t), getattr(exact, quantity)(t)
            torch.testing.assert_close(found, wanted, atol=tolerance, rtol=0)
        assert path.log_alpha_bar(t).diff().gt(0).all()


@pytest.mark.parametrize("sampler", [AncestralLeading, DDIMLeading])
@pytest.mark.parametrize("path", [DiffusersPath(10), SquaredCosinePath(10), LinearBetaPath(10)])
def test_more_steps_than_the_training_had_are_refused(sampler, path) -> None:
    message = r"sampler\.num_steps = 11: legal are 1 to 10, the steps of training \(objective\.path\.num_train_steps\)"
    with pytest.raises(ValueError, match=message):
        sampler(11).check(path)
    with pytest.raises(ValueError, match=message):
        sampler(11).times(path, torch.zeros(1))
    sampler(10).check(path)


def test_unknown_schedule() -> None:
    with pytest.raises(ValueError, match=r"path\.schedule = 'cosine': legal are squared_cosine, linear_beta"):
        DiffusersPath(10, "cosine")


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_too_few_steps(schedule: str) -> None:
    with pytest.raises(ValueError, match=r"objective\.path\.num_train_steps = 0: must be at least 2"):
        DiffusersPath(0, schedule)


@pytest.mark.parametrize(("start", "end"), [(0.0, 0.0), (0.03, 0.02), (1e-4, 1.5)])
def test_betas_belong_to_the_linear_schedule(start: float, end: float) -> None:
    with pytest.raises(
        ValueError, match=rf"beta_start = {start}, .*beta_end = {end}: must be 0 < beta_start <= beta_end"
    ):
        DiffusersPath(10, "linear_beta", start, end)
    t = torch.arange(11) / 10
    unused = DiffusersPath(10, "squared_cosine", start, end)
    assert torch.equal(unused.alpha_bar(t), DiffusersPath(10, "squared_cosine").alpha_bar(t))
