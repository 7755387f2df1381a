"""The mixture density head against torch's own mixtures, and against what can be computed by hand."""

import math

import pytest
import torch
from baselines import SMALL, conditions, head_over, states
from small_networks import ACTION_DIM, HORIZON
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from lerobot_dp_plus.heads import Given, MixtureDensity, Regression
from lerobot_dp_plus.heads.mixture_density import LOW, Mixture
from lerobot_dp_plus.likelihood import Likelihood
from lerobot_dp_plus.networks import LSTMConfig

K, B, N = 3, 2, 4


def mixture() -> Mixture:
    weights = torch.randn(B, K, dtype=torch.float64).log_softmax(1)
    means = torch.randn(B, K, HORIZON, ACTION_DIM, dtype=torch.float64)
    return Mixture(weights, means, torch.rand_like(means) + 0.3)


def of_torch(said: Mixture, rows: slice = slice(None)) -> MixtureSameFamily:
    """The same density of the steps `rows`, by torch."""
    components = Independent(Normal(said.means[:, :, rows], said.stds[:, :, rows]), 2)
    return MixtureSameFamily(Categorical(logits=said.log_weights), components)


def test_its_density_is_that_of_torch() -> None:
    said, chunks = mixture(), torch.randn(B, N, HORIZON, ACTION_DIM, dtype=torch.float64)
    truth = of_torch(said).log_prob(chunks.transpose(0, 1)).T
    torch.testing.assert_close(said.log_prob(chunks, torch.ones(1, 1, 1, 1, dtype=torch.bool)), truth)


def test_what_does_not_count_is_integrated_out() -> None:
    said, chunks = mixture(), torch.randn(B, N, HORIZON, ACTION_DIM, dtype=torch.float64)
    truth = of_torch(said, slice(0, 3)).log_prob(chunks[:, :, :3].transpose(0, 1)).T
    chunks[:, :, 3:] = float("nan")
    counted = (torch.arange(HORIZON) < 3)[None, None, :, None]
    torch.testing.assert_close(said.log_prob(chunks, counted), truth)


def test_loss_and_log_prob_are_of_that_density() -> None:
    head = head_over(MixtureDensity(num_modes=K))
    condition, chunks = conditions(head, states()), torch.randn(B, N, HORIZON, ACTION_DIM)
    said = head._mixture(head.network(torch.zeros_like(chunks[:, 0]), torch.zeros(B), condition), ACTION_DIM)
    truth = of_torch(said).log_prob(chunks.transpose(0, 1)).T
    torch.testing.assert_close(head.log_prob(condition, chunks, Likelihood()), truth)
    loss = head.loss(condition, chunks[:, 0], torch.ones(B, HORIZON, dtype=torch.bool))
    torch.testing.assert_close(loss, -truth[:, 0] / (HORIZON * ACTION_DIM))
    torch.testing.assert_close(head.imitation(condition, chunks), -truth / (HORIZON * ACTION_DIM))


@torch.no_grad()
def test_draws_have_the_mean_and_the_variance_of_the_mixture() -> None:
    head = head_over(MixtureDensity(num_modes=K, low_noise=False))
    condition, zero = conditions(head, states()), torch.zeros(B, HORIZON, ACTION_DIM)
    truth = of_torch(head._mixture(head.network(zero, torch.zeros(B), condition), ACTION_DIM))
    torch.manual_seed(0)
    drawn = head.propose(condition, torch.randn(B, 20000, HORIZON, ACTION_DIM)).chunks
    torch.testing.assert_close(drawn.mean(1), truth.mean, rtol=0, atol=0.04)
    torch.testing.assert_close(drawn.var(1), truth.variance, rtol=0.06, atol=0.02)


@torch.no_grad()
def test_with_low_noise_chunks_are_the_components_means() -> None:
    head = head_over(MixtureDensity(num_modes=K))
    condition, zero = conditions(head, states()), torch.zeros(B, HORIZON, ACTION_DIM)
    said = head._mixture(head.network(zero, torch.zeros(B), condition), ACTION_DIM)
    drawn = head.propose(condition, torch.randn(B, 3000, HORIZON, ACTION_DIM)).chunks
    away = (drawn[:, :, None] - said.means[:, None]).abs().amax((3, 4))  # (B, N, K)
    assert away.amin(2).max() < 6 * LOW
    shares = torch.nn.functional.one_hot(away.argmin(2), K).float().mean(1)
    torch.testing.assert_close(shares, said.log_weights.exp(), rtol=0, atol=0.03)


@torch.no_grad()
def test_what_is_decided_chooses_among_components_by_the_rule_of_bayes() -> None:
    head = head_over(MixtureDensity(num_modes=K))
    condition, zero = conditions(head, states()), torch.zeros(B, HORIZON, ACTION_DIM)
    said = head._mixture(head.network(zero, torch.zeros(B), condition), ACTION_DIM)
    fixed = torch.full((B, 4000, HORIZON, ACTION_DIM), float("nan"))
    fixed[:, :, 1, 0] = 0.7
    given = Normal(said.means[:, :, 1, 0], said.stds[:, :, 1, 0]).log_prob(torch.tensor(0.7))
    truth = (said.log_weights + given).softmax(1)
    drawn = head.propose(condition, torch.randn_like(fixed), Given(fixed=fixed)).chunks[:, :, 2:]
    nearest = (drawn[:, :, None] - said.means[:, None, :, 2:]).abs().amax((3, 4)).argmin(2)
    shares = torch.nn.functional.one_hot(nearest, K).float().mean(1)
    torch.testing.assert_close(shares, truth, rtol=0, atol=0.03)
    assert (truth - said.log_weights.exp()).abs().max() > 0.05, "and that is not the prior"


@pytest.mark.parametrize("config", [SMALL, LSTMConfig(dim=16, depth=1)], ids=["transformer", "lstm"])
def test_it_learns_two_ways_and_how_often_each_is_gone(config) -> None:
    """Three of four go right and one left. Regression learns 0.5, where nobody goes."""
    torch.manual_seed(1)
    heads = [head_over(MixtureDensity(num_modes=2, min_std=0.05), config), head_over(Regression(), config)]
    seen = states(1).expand(128, -1, -1)
    way = torch.where(torch.arange(128) % 4 == 0, -1.0, 1.0)[:, None, None]
    done = way.expand(-1, HORIZON, ACTION_DIM) + 0.1 * torch.randn(128, HORIZON, ACTION_DIM)
    for head in heads:
        head.network.train()
        optimizer = torch.optim.Adam(head.network.parameters(), lr=0.02)
        for _ in range(120):
            optimizer.zero_grad()
            loss = head.loss(conditions(head, seen), done, torch.ones(128, HORIZON, dtype=torch.bool)).mean()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        found, flat = (
            head.propose(conditions(head, seen[:1]), torch.randn(1, 2000, HORIZON, ACTION_DIM)).chunks for head in heads
        )
    right = found[0, (found[0] > 0).flatten(1).all(1)]
    left = found[0, (found[0] < 0).flatten(1).all(1)]
    assert len(right) + len(left) == 2000, "no chunk mixes the two"
    assert len(right) / 2000 == pytest.approx(0.75, abs=0.05)
    assert (right - 1).abs().mean() < 0.1 and (left + 1).abs().mean() < 0.1
    assert (flat - 0.5).abs().mean() < 0.1
    entropy = 0.5 * math.log(2 * math.pi * math.e * 0.01)  # of the noise, nats a number; the way adds little
    with torch.no_grad():
        loss = heads[0].loss(conditions(heads[0], seen), done, torch.ones(128, HORIZON, dtype=torch.bool)).mean()
    assert loss.item() == pytest.approx(entropy + 0.562 / (HORIZON * ACTION_DIM), abs=0.08)
