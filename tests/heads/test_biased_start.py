"""Chunks drawn near a given one: sampling begins in the middle of the path, at that chunk with the noise that is left there."""

import pytest
import torch
from gaussian_truth import ExactNetwork, Gaussian, describe, objectives

from lerobot_dp_plus import heads
from lerobot_dp_plus.guidance import NoGuidance
from lerobot_dp_plus.heads import Given
from lerobot_dp_plus.objectives import Diffusion, FlowMatching, Shortcut
from lerobot_dp_plus.samplers import DDIM, Ancestral, DPMpp2M, Heun, Jump, Langevin, PredictorCorrector, Sampler

TRUTH = Gaussian(torch.tensor([0.4, -0.2], dtype=torch.float64), torch.tensor([0.6, 0.2], dtype=torch.float64))
H = 1


def head(objective, sampler: Sampler):
    network = ExactNetwork(TRUTH, objective.sampling_path, objective.prediction)
    return heads.make(network, objective, sampler, NoGuidance())


def times(objective, sampler: Sampler) -> torch.Tensor:
    return sampler.times(objective.sampling_path, torch.zeros(1, dtype=torch.float64))


@pytest.mark.parametrize("objective", objectives(), ids=describe)
@pytest.mark.parametrize("skipped", [30, 60, 90])
def test_chunks_follow_the_flow_from_the_noised_start(objective, skipped: int) -> None:
    sampler, path = DPMpp2M(120), objective.sampling_path
    noise = torch.linspace(-2, 2, 10, dtype=torch.float64).reshape(1, 5, H, 2)
    start = torch.tensor([1.3, -0.9], dtype=torch.float64).expand(1, 5, H, 2)
    found = head(objective, sampler).propose(None, noise, Given(start=start, skipped=skipped)).chunks
    t = times(objective, sampler)[skipped].expand(5)
    begun = path.interpolate(noise[0], start[0], t)
    expected = TRUTH.flow(path, begun, t, torch.ones(5, dtype=torch.float64))
    torch.testing.assert_close(found[0], expected, rtol=0, atol=2e-3)


def test_the_later_the_start_the_nearer_and_the_narrower() -> None:
    """N(μ, s²): from a start y at t, chunks have the mean μ + s·α(y − μ)/√Var x_t and the deviation s·σ/√Var x_t."""
    objective, sampler = FlowMatching(prediction="x1"), Heun(60)
    path, y = objective.sampling_path, torch.tensor([1.3, -0.9], dtype=torch.float64)
    noise = torch.randn(1, 20_000, H, 2, dtype=torch.float64)
    for skipped in (15, 30, 45):
        start = y.expand_as(noise)
        found = head(objective, sampler).propose(None, noise, Given(start=start, skipped=skipped)).chunks[0, :, 0]
        t = times(objective, sampler)[skipped]
        alpha, sigma = path.alpha(t), path.sigma(t)
        root = (alpha**2 * TRUTH.std**2 + sigma**2).sqrt()
        mean, std = TRUTH.mean + TRUTH.std * alpha * (y - TRUTH.mean) / root, TRUTH.std * sigma / root
        assert ((found.mean(0) - mean).abs() < 5 * std / 20_000**0.5 + 2e-3).all()
        assert ((found.std(0) / std - 1).abs() < 0.03).all()


@pytest.mark.parametrize(
    "sampler",
    [DDIM(6), DPMpp2M(6), Heun(6), Ancestral(6), Langevin(6), PredictorCorrector(6)],
    ids=lambda s: type(s).__name__,
)
def test_steps_that_are_skipped_cost_no_call(sampler: Sampler, monkeypatch) -> None:
    calls: list[float] = []
    forward = ExactNetwork.forward
    monkeypatch.setattr(
        ExactNetwork,
        "forward",
        lambda self, x, time, *rest: calls.append(float(time[0])) or forward(self, x, time, *rest),
    )
    objective = Diffusion(prediction="x1", clip_range=None)
    noise = torch.randn(1, 3, H, 2, dtype=torch.float64)
    made = head(objective, sampler)
    made.propose(None, noise)
    whole, times_of_all = len(calls), set(calls)
    calls.clear()
    made.propose(None, noise, Given(start=torch.zeros_like(noise), skipped=5))
    assert len(calls) == 1 < whole, "of the last step there is one call"
    assert set(calls) <= times_of_all


def test_at_the_first_time_of_a_path_from_pure_noise_the_start_is_forgotten() -> None:
    made = head(FlowMatching(), DDIM(4))
    noise = torch.randn(2, 3, H, 2, dtype=torch.float64)
    free, begun = (made.propose(None, noise, Given(start=start)).chunks for start in (None, torch.ones_like(noise)))
    assert torch.equal(free, begun)


def test_jumps_begin_there_too() -> None:
    from gaussian_truth import ExactJumps

    objective = Shortcut(prediction="v", clip_range=None)
    network = ExactJumps(TRUTH, objective.sampling_path, objective.prediction)
    sampler = Jump(4)
    made = heads.make(network, objective, sampler, NoGuidance())
    noise, start = torch.randn(1, 3, H, 2, dtype=torch.float64), torch.full((1, 3, H, 2), 0.8, dtype=torch.float64)
    found = made.propose(None, noise, Given(start=start, skipped=2)).chunks[0]
    t = times(objective, sampler)[2].expand(3)
    begun = objective.sampling_path.interpolate(noise[0], start[0], t)
    expected = TRUTH.flow(objective.sampling_path, begun, t, torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-3)
