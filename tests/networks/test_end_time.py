"""The second time: every network can be told where a jump ends, without a weight of its own."""

import pytest
import torch
from small_networks import awake, build, digest
from torch import Tensor, nn

from lerobot_dp_plus import networks
from lerobot_dp_plus.networks.embeddings import SinusoidalEmbedding, embed_times
from lerobot_dp_plus.notation import take_rows

EVERY: list[networks.NetworkConfig] = [
    networks.TransformerConfig(dim=16, depth=2, num_heads=4, patch_size=4),
    networks.DiTConfig(dim=16, depth=2, num_heads=4),
    networks.MixtureConfig(dim=16, depth=2, num_heads=4, head_dim=4),
    networks.UNet1dConfig(down_dims=(8, 16), n_groups=4, time_embed_dim=16),
    networks.LSTMConfig(dim=16, depth=2),
]
every_network = pytest.mark.parametrize("config", EVERY, ids=lambda c: type(c).__name__)


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    return torch.randn(3, 8, 2), torch.tensor([0.0, 30.0, 700.0]), torch.randn(3, 2, 5)


@every_network
def test_an_end_where_it_starts_changes_nothing(config: networks.NetworkConfig) -> None:
    network, (x_t, time, observation) = awake(build(config)), inputs()
    condition = digest(network, observation)
    torch.testing.assert_close(network(x_t, time, condition, time), network(x_t, time, condition), rtol=0, atol=1e-5)


@every_network
def test_the_end_matters_to_its_own_sample_and_apart_from_the_start(config: networks.NetworkConfig) -> None:
    network, (x_t, time, observation) = awake(build(config)), inputs()
    condition = digest(network, observation)
    end = time + 50
    before = network(x_t, time, condition, end)
    moved = network(x_t, time, condition, end + torch.tensor([0.0, 20.0, 0.0]))
    assert ((moved - before).abs().amax((1, 2)) > 1e-5).tolist() == [False, True, False]
    # Neither the start alone nor the end alone says it all.
    for other in (network(x_t, time + 20, condition, end), network(x_t, end, condition, time + 2 * (end - time))):
        assert ((other - before).abs().amax((1, 2)) > 1e-5).all()


def test_both_clocks_tell_the_same_span() -> None:
    """Some paths count network time up to the data, some down: only the length is told."""
    embed = nn.Sequential(SinusoidalEmbedding(8), nn.Linear(8, 4))
    time = torch.tensor([40.0, 60.0])
    torch.testing.assert_close(embed_times(embed, time, time + 25), embed_times(embed, time, time - 25))
    expected = embed(time) + embed(torch.full((2,), -25.0)) - embed(torch.zeros(2))
    torch.testing.assert_close(embed_times(embed, time, time + 25), expected)


@every_network
def test_the_first_rows_of_a_condition_condition_the_first_rows(config: networks.NetworkConfig) -> None:
    network, (x_t, time, observation) = awake(build(config)), inputs()
    condition = digest(network, observation)
    part = network(x_t[:2], time[:2], take_rows(condition, 2))
    torch.testing.assert_close(part, network(x_t, time, condition)[:2], rtol=1e-5, atol=1e-6)
