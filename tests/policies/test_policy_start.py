"""Chunks drawn near a given one, on a saved checkpoint and by way of the policy's own methods."""

from pathlib import Path

import pytest
import torch
from tiny import as_one_graph, config, policy

from lerobot_dp_plus import load_policy
from lerobot_dp_plus.heads.regression import Regression
from lerobot_dp_plus.policies.candidates import START, propose, steps_before
from lerobot_dp_plus.policies.recipe import Recipe
from lerobot_dp_plus.samplers import DDIM, PredictorCorrector

FOLDER = Path(__file__).parent.parent / "checkpoints" / "format_3" / "dp_plus_transformer"
H = 8


@pytest.fixture(scope="module")
def made():
    return load_policy(FOLDER, sampler={"type": "dpmpp_2m", "num_steps": 10}).policy


def frame(made, batch: int = 2) -> dict:
    torch.manual_seed(5)
    return {key: torch.rand(batch, *shape) * 2 - 1 for key, shape in made.config.observed_features.items()}


def test_chunks_come_nearer_to_the_start_the_later_they_begin(made) -> None:
    noise, wanted = torch.randn(2, 16, H, 2), torch.full((2, H, 2), 0.7)
    free = made.candidates(frame(made), 16, noise=noise).chunks
    target = made.model.units.physical("action", wanted)[:, None, 1:]
    last = (free - target).square().mean().sqrt()
    spread = free.std(1).mean()
    for time in (0.4, 0.7, 0.95):
        near = made.candidates(frame(made), 16, noise=noise, start=wanted, start_time=time).chunks
        away = (near - target).square().mean().sqrt()
        assert away < last + 1e-6, time
        last = away
    assert near.std(1).mean() < spread


def test_the_time_becomes_a_number_of_steps() -> None:
    made = config(sampler=DDIM(10))
    grid = made.sampler.times(made.objective.sampling_path, torch.zeros(1, dtype=torch.float64))
    for time in (0.0, 0.05, 0.5, 0.51, 0.95, 0.9999):
        skipped = steps_before(made, time)
        assert grid[skipped] >= time or skipped == 9
        assert skipped == 0 or grid[skipped - 1] < time
    assert steps_before(made, 0.0) == 0 and steps_before(made, 0.9999) == 9


def test_stochastic_samplers_start_there_too_and_are_repeatable(made) -> None:
    rule = load_policy(FOLDER, sampler={"type": "predictor_corrector", "num_steps": 6}).policy
    assert isinstance(rule.config.sampler, PredictorCorrector)
    noise, wanted = torch.randn(2, 4, H, 2), torch.full((2, H, 2), 0.2)
    first, again = (rule.candidates(frame(rule), 4, noise=noise, start=wanted).chunks for _ in range(2))
    assert torch.equal(first, again) and first.isfinite().all()


def test_what_cannot_be_a_start_is_refused_by_name(made) -> None:
    wanted = torch.zeros(2, H, 2)
    with pytest.raises(ValueError, match=r"start has shape \(2, 7, 2\); must be \(2, 8, 2\): a whole chunk"):
        made.candidates(frame(made), 2, start=wanted[:, 1:])
    with pytest.raises(ValueError, match="start: there is a NaN"):
        made.candidates(frame(made), 2, start=wanted.fill_(float("nan")))
    for time in (-0.1, 1.0, 2.0):
        with pytest.raises(ValueError, match=rf"start_time = {time}: must be at least 0"):
            made.candidates(frame(made), 2, start=torch.zeros(2, H, 2), start_time=time)
    flat = policy(objective=Regression()).eval()
    with pytest.raises(ValueError, match=r"start: objective\.type = regression draws its chunks without a sampler"):
        flat.propose({"observation.state": torch.zeros(2, 2, 4)}, candidates=1, energies=(), start=torch.zeros(2, H, 2))


def test_it_is_one_graph(made) -> None:
    window = {key: value[:, None].expand(-1, 2, *value.shape[1:]) for key, value in frame(made).items()}
    window = {**window, START: torch.full((2, H, 2), 0.4)}
    recipe, noise = Recipe.of(made.config, (), steps_before(made.config, 0.6)), torch.randn(2, 3, H, 2)
    model = made._averaged_model
    with torch.no_grad():
        expected = propose(model, recipe, window, noise).chunks
        found = as_one_graph(propose)(model, recipe, window, noise).chunks
    torch.testing.assert_close(found, expected)
