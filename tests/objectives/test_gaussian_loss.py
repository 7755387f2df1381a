"""Objectives on Gaussian data, where the best network and its loss are known."""

import dataclasses

import pytest
import torch
from gaussian_truth import ExactNetwork, Gaussian, describe, objectives
from torch import Tensor

from lerobot_dp_plus.notation import per_sample
from lerobot_dp_plus.objectives import (
    Diffusion,
    FlowMatching,
    LogitNormalTimes,
    Objective,
    UniformTimes,
)
from lerobot_dp_plus.paths import StraightPath

TRUTH = Gaussian(torch.tensor([0.4, -0.2], dtype=torch.float64), torch.tensor([0.6, 0.2], dtype=torch.float64))
every_objective = pytest.mark.parametrize("objective", objectives(), ids=describe)


def perfect(objective: Objective) -> ExactNetwork:
    return ExactNetwork(TRUTH, objective.sampling_path, objective.prediction)


def assert_mean(samples: Tensor, expected: Tensor) -> None:
    """The mean over the first axis is the expected one, as far as its own standard error tells."""
    error = samples.std(0) / len(samples) ** 0.5
    assert (error < 0.03 * expected).all(), "too few samples to tell"
    assert ((samples.mean(0) - expected).abs() < 4 * error).all()


@every_objective
def test_denoiser_of_the_perfect_network_gives_the_exact_ends(objective: Objective) -> None:
    t = torch.linspace(0.01, 0.99, 50, dtype=torch.float64)
    x_t = torch.randn(50, 3, 2, dtype=torch.float64)
    found = objective.denoiser(perfect(objective), None)(x_t, t)
    exact = TRUTH.ends(objective.sampling_path, x_t, t)
    torch.testing.assert_close(found.x0, exact.x0, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(found.x1, exact.x1, rtol=1e-7, atol=1e-7)


@every_objective
@pytest.mark.parametrize("time", [0.05, 0.5, 0.95])
def test_loss_of_the_perfect_network_is_the_irreducible_one(objective: Objective, time: float) -> None:
    count = 8000
    t = torch.full((count,), time, dtype=torch.float64)
    x0, x1 = torch.randn(count, 4, 2, dtype=torch.float64), TRUTH.sample(count, 4)
    valid = torch.ones(count, 4, dtype=torch.bool)
    loss = objective.loss_at(perfect(objective), x0, x1, t, None, valid)
    expected = TRUTH.irreducible_loss(objective.sampling_path, objective.prediction, t[:1])[0]
    assert_mean(loss.flatten(0, 1), expected)


@pytest.mark.parametrize(
    "objective",
    [*objectives(), FlowMatching(times=UniformTimes()), FlowMatching(times=LogitNormalTimes(-0.5, 0.8))],
    ids=lambda o: f"{describe(o)}-{type(o.times).__name__}",
)
def test_training_loss_averages_the_irreducible_one_over_the_density_of_times(objective: Objective) -> None:
    count = 20000
    valid = torch.ones(count, 4, dtype=torch.bool)
    loss = objective.loss(perfect(objective), TRUTH.sample(count, 4), None, valid)
    middles = (torch.arange(20000, dtype=torch.float64) + 0.5) / 20000
    t = objective.times.quantile(middles)
    expected = TRUTH.irreducible_loss(objective.sampling_path, objective.prediction, t).mean(0)
    assert_mean(loss.mean(1), expected)


@every_objective
def test_clipping_bounds_the_data_and_keeps_x_t(objective: Objective) -> None:
    clipped = dataclasses.replace(objective, clip_range=0.3)
    t = torch.linspace(0.05, 0.95, 20, dtype=torch.float64)
    x_t = torch.randn(20, 3, 2, dtype=torch.float64)
    free, bound = (o.denoiser(perfect(o), None)(x_t, t) for o in (objective, clipped))
    assert (free.x1.abs() > 0.3).any()
    torch.testing.assert_close(bound.x1, free.x1.clamp(-0.3, 0.3))
    path = objective.sampling_path
    torch.testing.assert_close(path.interpolate(*bound, t), x_t)
    # Where nothing is clipped the noise end stays what the network meant.
    inside = free.x1.abs() < 0.3
    torch.testing.assert_close(bound.x0[inside], free.x0[inside], rtol=1e-6, atol=1e-6)


@every_objective
def test_loss_is_zero_at_invalid_steps_and_untouched_elsewhere(objective: Objective) -> None:
    x0, x1 = torch.randn(5, 4, 2, dtype=torch.float64), TRUTH.sample(5, 4)
    t = torch.linspace(0.1, 0.9, 5, dtype=torch.float64)
    valid = torch.rand(5, 4) < 0.5
    masked = objective.loss_at(perfect(objective), x0, x1, t, None, valid)
    full = objective.loss_at(perfect(objective), x0, x1, t, None, torch.ones_like(valid))
    assert masked.shape == x1.shape
    assert (masked[~valid] == 0).all() and (full > 0).all()
    assert torch.equal(masked[valid], full[valid])


@every_objective
def test_noise_and_times_come_from_the_generator(objective: Objective) -> None:
    x1, valid = TRUTH.sample(6, 4), torch.ones(6, 4, dtype=torch.bool)

    def loss(seed: int) -> Tensor:
        return objective.loss(perfect(objective), x1, None, valid, torch.Generator().manual_seed(seed))

    assert torch.equal(loss(1), loss(1))
    assert (loss(1) != loss(2)).all()
    # And it is the loss at exactly that noise and those times.
    generator = torch.Generator().manual_seed(1)
    x0 = torch.randn(x1.shape, dtype=x1.dtype, generator=generator)
    t = objective.times.draw(6, x1.device, generator).double()
    again = [objective.loss_at(perfect(objective), x0, x1, t, None, valid) for _ in range(2)]
    assert torch.equal(again[0], again[1])
    assert torch.equal(again[0], loss(1))


@every_objective
def test_network_sees_x_t_and_the_paths_time(objective: Objective) -> None:
    seen = []

    class Witness(ExactNetwork):
        def forward(self, x_t: Tensor, time: Tensor, condition: object) -> Tensor:
            seen.append((x_t, time, condition))
            return super().forward(x_t, time, None)

    network = Witness(TRUTH, objective.sampling_path, objective.prediction)
    path, t = objective.sampling_path, torch.tensor([0.2, 0.7], dtype=torch.float64)
    x0, x1 = torch.randn(2, 4, 2, dtype=torch.float64), TRUTH.sample(2, 4)
    objective.loss_at(network, x0, x1, t, "condition", torch.ones(2, 4, dtype=torch.bool))
    x_t, time, condition = seen.pop()
    torch.testing.assert_close(x_t, per_sample(path.alpha(t), x1) * x1 + per_sample(path.sigma(t), x0) * x0)
    assert torch.equal(time, path.network_time(t)) and condition == "condition"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Diffusion(prediction="noise"), "objective.prediction = 'noise': legal are epsilon, x1, v"),
        (
            lambda: Diffusion(path=StraightPath()),
            "objective.path = StraightPath.*squared_cosine, linear_beta or diffusers",
        ),
        (lambda: Diffusion(clip_range=0.0), "objective.clip_range = 0.0: must be positive"),
        (
            lambda: FlowMatching(prediction="epsilon"),
            "objective.prediction = 'epsilon': legal for flow_matching are x1, v",
        ),
        (lambda: FlowMatching(clip_range=-1.0), "objective.clip_range = -1.0: must be positive"),
    ],
)
def test_illegal_values_are_named(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
