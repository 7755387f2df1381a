"""The discretised head: bins by k-means, its loss by hand, and two ways where regression finds none."""

import numpy as np
import pytest
import torch
from baselines import conditions, head_over, states
from scipy.cluster.vq import kmeans2
from small_networks import ACTION_DIM, HORIZON

from lerobot_dp_plus.heads import Discretised, Regression
from lerobot_dp_plus.networks.bins import ENOUGH, Bins


def clusters(count: int, each: int = 12) -> torch.Tensor:
    """Chunks in `count` groups far from each other, (count·each, H, A), mixed."""
    middles = torch.linspace(-0.9, 0.9, count)[:, None, None, None]
    chunks = middles + 0.01 * torch.randn(count, each, HORIZON, ACTION_DIM)
    return chunks.flatten(0, 1)[torch.randperm(count * each)]


def test_bins_are_those_of_scipy_where_groups_are_apart() -> None:
    chunks, bins = clusters(5), Bins(5, HORIZON, ACTION_DIM)
    bins.learn(chunks)
    truth, labels = kmeans2(chunks.flatten(1).double().numpy(), 5, minit="++", rng=1)
    found = np.sort(bins.centres.flatten(1).numpy(), axis=0)
    np.testing.assert_allclose(found, np.sort(truth, axis=0), atol=1e-5)
    assert sorted(bins.counts.tolist()) == sorted(np.bincount(labels).tolist())
    assert len(bins.nearest(chunks).unique()) == 5


def test_every_centre_is_the_mean_of_all_that_was_nearest_to_it() -> None:
    """Over many batches, with groups so far apart that none ever changes its bin."""
    batches, bins = [clusters(3) for _ in range(4)], Bins(3, HORIZON, ACTION_DIM)
    for batch in batches:
        bins.learn(batch)
    chunks = torch.cat(batches)
    mine = bins.nearest(chunks)
    for k in range(3):
        torch.testing.assert_close(bins.centres[k], chunks[mine == k].mean(0), rtol=0, atol=1e-5)
    assert bins.counts.sum() == len(chunks)


def test_bins_that_the_first_batch_leaves_open_come_from_later_ones_and_then_stay() -> None:
    bins = Bins(4, HORIZON, ACTION_DIM)
    assert bins.there.tolist() == [True, False, False, False] and not bins.centres.any()
    first = torch.rand(2, HORIZON, ACTION_DIM)
    bins.learn(torch.cat([first, first]))  # two that differ
    assert bins.used == 2 and set(bins.nearest(first).tolist()) == {0, 1}
    bins.learn(clusters(4))
    assert bins.used == 4 and bins.there.all()
    while bins.counts.sum() < ENOUGH * 4:
        bins.learn(clusters(4, 20))
    before = bins.centres.clone()
    bins.learn(torch.rand(30, HORIZON, ACTION_DIM))
    assert torch.equal(bins.centres, before)


@pytest.mark.parametrize("focal", [0.0, 2.0])
def test_its_loss_is_that_of_the_bin_and_of_its_offset_alone(focal: float) -> None:
    head = head_over(Discretised(num_bins=6, focal=focal, offset_weight=3.0))
    chunk, condition = torch.rand(2, HORIZON, ACTION_DIM) * 2 - 1, conditions(head, states())
    said = head.network(torch.zeros_like(chunk), torch.zeros(2), condition).unflatten(2, (6, 1 + ACTION_DIM))
    log_probs, bins = said[..., 0].mean(1).log_softmax(1), head.network.bins
    nearest = (chunk[:, None] - bins.centres).flatten(2).norm(dim=2).argmin(1)
    valid = torch.arange(HORIZON) < torch.tensor([HORIZON, 3])[:, None]
    for row, k in enumerate(nearest.tolist()):
        log_p, count = log_probs[row, k], int(valid[row].sum())
        offset = chunk[row] - bins.centres[k] - said[row, :, k, 1:]
        expected = -((1 - log_p.exp()) ** focal) * log_p + 3 * offset[:count].square().mean()
        torch.testing.assert_close(head.loss(condition, chunk, valid)[row], expected)
    if focal == 0:
        entropy = torch.nn.functional.cross_entropy(said[..., 0].mean(1), nearest, reduction="none")
        flat = head_over(Discretised(num_bins=6, focal=0, offset_weight=0))
        object.__setattr__(flat, "network", head.network)
        torch.testing.assert_close(flat.loss(condition, chunk, valid), entropy)


@torch.no_grad()
def test_chunks_are_centres_with_offsets_as_often_as_it_says() -> None:
    head = head_over(Discretised(num_bins=6))
    condition, zero = conditions(head, states()), torch.zeros(2, HORIZON, ACTION_DIM)
    said = head.network(zero, torch.zeros(2), condition).unflatten(2, (6, 1 + ACTION_DIM)).transpose(1, 2)
    chunks = head.network.bins.centres + said[..., 1:]  # (B, K, H, A)
    drawn = head.propose(condition, torch.zeros(2, 4000, HORIZON, ACTION_DIM)).chunks
    away = (drawn[:, :, None] - chunks[:, None]).abs().amax((3, 4))
    assert away.amin(2).max() < 1e-6
    shares = torch.nn.functional.one_hot(away.argmin(2), 6).float().mean(1)
    torch.testing.assert_close(shares, said[..., 0].mean(2).softmax(1), rtol=0, atol=0.03)


def test_bins_that_are_not_there_are_never_drawn() -> None:
    head = head_over(Discretised(num_bins=6))
    head.network.bins.used.fill_(2)
    with torch.no_grad():
        found = head.propose(conditions(head, states()), torch.zeros(2, 500, HORIZON, ACTION_DIM)).chunks
    assert len(found[0].flatten(1).unique(dim=0)) == 2


def test_bins_learn_in_training_alone() -> None:
    head = head_over(Discretised(num_bins=6))
    chunk, valid = torch.rand(9, HORIZON, ACTION_DIM), torch.ones(9, HORIZON, dtype=torch.bool)
    for training in (False, True):
        before = head.network.bins.centres.clone()
        head.network.train(training)
        head.loss(conditions(head, states(9)), chunk, valid)
        assert torch.equal(head.network.bins.centres, before) != training


def test_regression_goes_through_the_middle_and_this_does_not() -> None:
    torch.manual_seed(0)
    both = [head_over(Discretised(num_bins=8, offset_weight=10.0)), head_over(Regression())]
    both[0].network.bins.used.zero_()
    both[0].network.bins.counts.zero_()
    seen, valid = states(1).expand(128, -1, -1), torch.ones(128, HORIZON, dtype=torch.bool)
    way = torch.where(torch.arange(128) % 4 == 0, -0.6, 0.6)[:, None, None].expand(-1, HORIZON, ACTION_DIM)
    for head in both:
        head.network.train()
        optimizer = torch.optim.Adam(head.network.parameters(), lr=0.02)
        for _ in range(100):
            optimizer.zero_grad()
            done = way + 0.05 * torch.randn(128, HORIZON, ACTION_DIM)
            head.loss(conditions(head, seen), done, valid).mean().backward()
            optimizer.step()
        head.network.eval()
    with torch.no_grad():
        found, mean = (
            head.propose(conditions(head, seen[:1]), torch.zeros(1, 1000, HORIZON, ACTION_DIM)).chunks[0]
            for head in both
        )
    assert (mean - 0.3).abs().mean() < 0.1, "three of four go right"
    assert ((found.abs() - 0.6).abs().flatten(1).amax(1) < 0.2).all()
    assert (found > 0).flatten(1).all(1).float().mean().item() == pytest.approx(0.75, abs=0.1)
