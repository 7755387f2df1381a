"""What every head of a baseline keeps to, whatever it learns."""

import pytest
import torch
from baselines import NETWORKS, OBJECTIVES, conditions, head_over, name_of, states
from refusals import refusal
from small_networks import ACTION_DIM, HORIZON

from lerobot_dp_plus.heads import Discretised, Given, Implicit, MixtureDensity, Regression

B, N = 3, 5
every_objective = pytest.mark.parametrize("objective", OBJECTIVES, ids=name_of)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def noise(batch: int = B, count: int = N) -> torch.Tensor:
    return torch.randn(batch, count, HORIZON, ACTION_DIM, generator=torch.Generator().manual_seed(3))


@every_objective
@pytest.mark.parametrize("config", NETWORKS, ids=lambda c: type(c).__name__)
def test_it_is_trained_and_proposes_over_every_network(objective, config) -> None:
    head = head_over(objective, config)
    chunk, valid = torch.rand(B, HORIZON, ACTION_DIM) * 2 - 1, torch.ones(B, HORIZON, dtype=torch.bool)
    valid[0, 3:] = False
    loss = head.loss(conditions(head, states(B)), chunk, valid)
    assert loss.shape == (B,) and loss.isfinite().all()
    loss.sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in head.network.parameters())
    with torch.no_grad():
        found = head.propose(conditions(head, states(B)), noise()).chunks
    assert found.shape == (B, N, HORIZON, ACTION_DIM) and found.isfinite().all()


@every_objective
@torch.no_grad()
def test_the_same_draws_give_the_same_chunks_and_candidates_differ_if_it_says_so(objective) -> None:
    head = head_over(objective)
    condition = conditions(head, states(B))
    first, again = (head.propose(condition, noise(), Given(generator=generator())).chunks for _ in range(2))
    assert torch.equal(first, again)
    assert bool((first != first[:, :1]).any()) == head.varies
    if not head.deterministic(head.sampler):
        other = head.propose(condition, noise(), Given(generator=torch.Generator().manual_seed(8))).chunks
        assert not torch.equal(other, first)
    first[0, 0] = 9  # each is a chunk of its own, to be written to
    assert not (first[0, 1] == 9).any()


@every_objective
@torch.no_grad()
def test_what_is_decided_is_so_to_the_last_bit(objective) -> None:
    head = head_over(objective)
    fixed = torch.full((B, N, HORIZON, ACTION_DIM), float("nan"))
    fixed[:, :, :2] = 0.3
    fixed[1, :, :, 0] = torch.linspace(-0.5, 0.5, HORIZON)
    found = head.propose(conditions(head, states(B)), noise(), Given(fixed=fixed)).chunks
    assert torch.equal(found[~fixed.isnan()], fixed[~fixed.isnan()]) and found.isfinite().all()
    whole = torch.rand(B, N, HORIZON, ACTION_DIM)
    whole[:] = whole[:, :1]
    assert torch.equal(head.propose(conditions(head, states(B)), noise(), Given(fixed=whole)).chunks, whole)


@every_objective
@torch.no_grad()
def test_what_is_shown_is_seen(objective) -> None:
    """Steps that are decided change the others, once the network is shown them."""
    head = head_over(objective)
    condition, shown = conditions(head, states(B)), torch.arange(HORIZON).expand(B, N, -1) < 3
    chunks = []
    for value in (-0.8, 0.8):
        fixed = torch.full((B, N, HORIZON, ACTION_DIM), float("nan"))
        fixed[:, :, :3] = value
        chunks.append(head.propose(condition, noise(), Given(None, generator(), fixed, shown=shown)).chunks)
    assert not torch.allclose(chunks[0][:, :, 3:], chunks[1][:, :, 3:])


@every_objective
def test_where_nothing_counts_the_loss_is_zero(objective) -> None:
    head, valid = head_over(objective), torch.arange(HORIZON) < torch.tensor([4, 0])[:, None]
    chunk, condition = torch.rand(2, HORIZON, ACTION_DIM) * 2 - 1, conditions(head, states())
    loss = head.loss(condition, chunk, valid)
    assert loss[0] != 0 and loss[1] == 0
    assert (head.loss(condition, chunk, valid, torch.ones_like(valid)) == 0).all(), "what is shown does not count"


@pytest.mark.parametrize("objective", OBJECTIVES[:2], ids=name_of)
def test_the_loss_does_not_see_what_does_not_count(objective) -> None:
    """An energy, and the bin of a chunk, are of the whole chunk; theirs is computed by hand in their own files."""
    head, valid = head_over(objective), torch.arange(HORIZON) < torch.tensor([4, 2])[:, None]
    chunk, condition = torch.rand(2, HORIZON, ACTION_DIM), conditions(head, states())
    other = torch.where(valid[..., None], chunk, torch.rand_like(chunk))
    torch.testing.assert_close(head.loss(condition, chunk, valid), head.loss(condition, other, valid))
    assert not torch.allclose(head.loss(condition, chunk, valid), head.loss(condition, chunk.flip(1), valid))


@every_objective
@torch.no_grad()
def test_a_candidate_has_its_energy_in_every_call_and_chance_is_left_alone(objective) -> None:
    head = head_over(objective)
    seen, chunks = states(), torch.rand(2, 4, HORIZON, ACTION_DIM) * 2 - 1
    state = torch.get_rng_state()
    together = head.imitation(conditions(head, seen), chunks)
    assert together.shape == (2, 4) and len(together.unique()) == 8
    alone = head.imitation(conditions(head, seen[1:]), chunks[1:, 2:3])
    torch.testing.assert_close(alone[0, 0], together[1, 2], rtol=1e-4, atol=1e-5)
    whole = torch.ones(2, HORIZON, dtype=torch.bool)
    torch.testing.assert_close(head.imitation(conditions(head, seen), chunks, valid=whole), together)
    nothing = head.imitation(conditions(head, seen), chunks, valid=~whole)
    torch.testing.assert_close(nothing, torch.zeros(2, 4), rtol=0, atol=1e-5)
    assert torch.equal(torch.get_rng_state(), state)


@every_objective
def test_its_energy_has_the_gradient_of_differences(objective) -> None:
    head = head_over(objective)
    head.network.double()
    condition = conditions(head, states(1).double())
    chunks = (torch.rand(1, 2, HORIZON, ACTION_DIM, dtype=torch.float64) * 2 - 1).requires_grad_()
    direction = torch.randn_like(chunks)
    (gradient,) = torch.autograd.grad(head.imitation(condition, chunks).sum(), chunks)
    with torch.no_grad():
        ahead, behind = (head.imitation(condition, chunks + h * direction).sum() for h in (1e-6, -1e-6))
    torch.testing.assert_close((gradient * direction).sum(), (ahead - behind) / 2e-6, rtol=1e-4, atol=1e-6)
    assert gradient.abs().max() > 1e-5


@every_objective
@torch.no_grad()
def test_chunks_are_as_precise_as_the_noise_was(objective) -> None:
    head = head_over(objective)
    head.network.to(torch.bfloat16)
    found = head.propose(conditions(head, states()), noise(2))
    assert found.chunks.dtype == torch.float32


@every_objective
def test_proposals_work_where_nothing_may_be_differentiated(objective) -> None:
    head = head_over(objective)
    with torch.inference_mode():
        found = head.propose(conditions(head, states(B)), noise(), Given(generator=generator())).chunks
    assert found.shape == (B, N, HORIZON, ACTION_DIM)


def test_bad_fields_are_refused_by_name() -> None:
    assert "objective.num_modes = 0: must be at least 1" in refusal(MixtureDensity, num_modes=0)
    assert "objective.min_std = 0: must be positive" in refusal(MixtureDensity, min_std=0)
    assert "objective.counter_examples = 0: must be at least 1" in refusal(Implicit, counter_examples=0)
    assert "objective.clip_range = -1: must be positive" in refusal(Implicit, clip_range=-1)
    assert "objective.num_bins = 0: must be at least 1" in refusal(Discretised, num_bins=0)
    assert "objective.focal = -1: must be at least 0" in refusal(Discretised, focal=-1)


def test_a_regression_alone_always_says_the_same() -> None:
    assert [head_over(objective).varies for objective in OBJECTIVES] == [
        not isinstance(objective, Regression) for objective in OBJECTIVES
    ]
