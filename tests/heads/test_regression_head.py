"""The head of regression: it learns the mean of what was done, in one call, whatever the noise."""

import pytest
import torch
from small_networks import ACTION_DIM, HORIZON, OBSERVATION_STEPS, WIDTH, awake, build, digest
from torch import Tensor

from lerobot_dp_plus import heads
from lerobot_dp_plus.guidance import NoGuidance
from lerobot_dp_plus.heads import HEADS, USED, Regression, RegressionHead
from lerobot_dp_plus.networks import DiTConfig, NetworkConfig, TransformerConfig, UNet1dConfig
from lerobot_dp_plus.notation import Network
from lerobot_dp_plus.objectives import Objective
from lerobot_dp_plus.samplers import DDIM

NETWORKS = [
    TransformerConfig(dim=16, depth=1, num_heads=2),
    DiTConfig(dim=16, depth=1, num_heads=2),
    UNet1dConfig(down_dims=(8, 16), n_groups=4, time_embed_dim=16),
]
every_network = pytest.mark.parametrize("config", NETWORKS, ids=lambda c: type(c).__name__)


def head_over(network: Network) -> heads.Head:
    return heads.make(network, Regression(), DDIM(), NoGuidance())


def states(batch: int) -> Tensor:
    return torch.randn(batch, OBSERVATION_STEPS, WIDTH)


@every_network
def test_it_learns_the_mean_of_two_modes(config: NetworkConfig) -> None:
    """Seen A, three of four demonstrators go right and one left; seen B, half go a little and half further."""
    network = build(config)
    head, pair = head_over(network), states(2)
    seen = pair.repeat_interleave(4, 0)
    done = torch.tensor([1.0, 1.0, 1.0, -1.0, 0.2, 0.2, 0.6, 0.6])[:, None, None].expand(-1, HORIZON, ACTION_DIM)
    valid = torch.ones(8, HORIZON, dtype=torch.bool)
    optimizer = torch.optim.LBFGS(network.parameters(), max_iter=80, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        mean = head.loss(digest(network, seen), done, valid).mean()
        mean.backward()
        return mean

    optimizer.step(loss)
    with torch.no_grad():
        found = head.propose(digest(network, pair), torch.randn(2, 1, HORIZON, ACTION_DIM)).chunks[:, 0]
    expected = torch.tensor([0.5, 0.4])[:, None, None].expand(-1, HORIZON, ACTION_DIM)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.02)
    # What is left is the variance of each: of ±1 three to one, and of 0.2 and 0.6.
    assert loss().item() == pytest.approx((0.75 + 0.04) / 2, abs=1e-3)


@every_network
@torch.no_grad()
def test_all_candidates_are_one_chunk_of_one_call_whatever_the_noise(config: NetworkConfig) -> None:
    network = awake(build(config))
    condition, calls = digest(network, states(3)), []
    network.register_forward_hook(lambda module, args, out: calls.append(len(out)))
    found = head_over(network).propose(condition, torch.randn(3, 5, HORIZON, ACTION_DIM))
    assert calls == [3], "once for each observation"
    assert found.chunks.shape == (3, 5, HORIZON, ACTION_DIM) and found.noise is None
    assert torch.equal(found.chunks, found.chunks[:, :1].expand_as(found.chunks))
    expected = network(torch.zeros(3, HORIZON, ACTION_DIM), torch.zeros(3), condition)
    assert torch.equal(found.chunks[:, 0], expected) and expected.any()
    again = head_over(network).propose(condition, torch.randn(3, 5, HORIZON, ACTION_DIM))
    assert torch.equal(again.chunks, found.chunks)
    found.chunks[0, 0] = 9  # each is a chunk of its own, to be written to
    assert not (found.chunks[0, 1] == 9).any()


def test_its_error_is_the_squared_difference_of_actions_that_count() -> None:
    network, chunk = awake(build(NETWORKS[0])), torch.randn(3, HORIZON, ACTION_DIM)
    condition, head = digest(network, states(3)), head_over(network)
    valid = torch.arange(HORIZON) < torch.tensor([HORIZON, 2, 0])[:, None]
    said = head.propose(condition, torch.randn(3, 1, HORIZON, ACTION_DIM)).chunks[:, 0]
    square = (said - chunk) ** 2
    torch.testing.assert_close(head.error(condition, chunk, valid), torch.where(valid[..., None], square, 0.0))
    expected = torch.stack([square[0].mean(), square[1, :2].mean(), torch.tensor(0.0)])
    torch.testing.assert_close(head.loss(condition, chunk, valid), expected)


def test_chunks_are_as_precise_as_the_noise_was() -> None:
    network = awake(build(NETWORKS[0])).to(torch.bfloat16)
    found = head_over(network).propose(digest(network, states(2)), torch.zeros(2, 3, HORIZON, ACTION_DIM))
    assert found.chunks.dtype == torch.float32


def test_every_objective_names_a_head_that_there_is() -> None:
    for name, objective in Objective.get_known_choices().items():
        assert objective.head in HEADS and heads.head_of(objective()) is HEADS[objective.head], name
    assert {objective.head for objective in Objective.get_known_choices().values()} == set(HEADS)


def test_there_is_nothing_to_choose_and_nothing_to_set() -> None:
    assert isinstance(head_over(build(NETWORKS[0])), RegressionHead)
    assert not RegressionHead.varies and not RegressionHead.uses and Regression().data_bound is None
    assert HEADS["denoising"].varies and HEADS["denoising"].uses == USED
    RegressionHead.check(Regression(), DDIM(), NoGuidance(), 1.0)
