"""A network with more to say of each step than one action, and an LSTM over the steps of a chunk."""

import pytest
import torch
from refusals import refusal
from small_networks import ACTION_DIM, HORIZON, OBSERVATION_STEPS, WIDTH, awake, build, digest

from lerobot_dp_plus.networks import DiTConfig, LSTMConfig, TransformerConfig, UNet1dConfig, Widened
from lerobot_dp_plus.notation import STEPS, Span

SEEN = {STEPS: Span(OBSERVATION_STEPS, WIDTH)}


@pytest.mark.parametrize(
    "config",
    [
        TransformerConfig(dim=16, depth=1, num_heads=2, patch_size=2),
        DiTConfig(dim=16, depth=1, num_heads=2),
        UNet1dConfig(down_dims=(8, 16), n_groups=4, time_embed_dim=16),
        LSTMConfig(dim=16, depth=1),
    ],
    ids=lambda config: type(config).__name__,
)
def test_any_network_can_be_widened_and_begins_with_what_it_is_given(config) -> None:
    start = torch.randn(HORIZON, 7)
    network = Widened(config, start, SEEN)
    chunk, times = torch.randn(3, HORIZON, ACTION_DIM), torch.zeros(3)
    condition = digest(network, torch.randn(3, OBSERVATION_STEPS, WIDTH))
    if not isinstance(config, UNet1dConfig):  # whose last layer begins at random
        torch.testing.assert_close(network(chunk, times, condition), start.expand(3, -1, -1))
    awake(network)
    condition = digest(network, torch.randn(3, OBSERVATION_STEPS, WIDTH))
    inner = network.network(torch.nn.functional.pad(chunk, (0, 5)), times, condition)
    torch.testing.assert_close(network(chunk, times, condition), inner + network.bias)
    assert not torch.allclose(network(0 * chunk, times, condition), network(chunk, times, condition))


def test_a_step_of_the_lstm_knows_itself_earlier_ones_and_the_observation() -> None:
    network, chunk = awake(build(LSTMConfig(dim=16, depth=2))), torch.randn(1, HORIZON, ACTION_DIM)
    states = torch.randn(1, OBSERVATION_STEPS, WIDTH)
    before = network(chunk, torch.zeros(1), digest(network, states))
    for step in range(HORIZON):
        moved = chunk.clone()
        moved[:, step] += 1
        felt = (network(moved, torch.zeros(1), digest(network, states)) - before).abs().amax((0, 2)) > 1e-7
        assert torch.equal(felt, torch.arange(HORIZON) >= step)
    for seen in range(OBSERVATION_STEPS):
        other = states.clone()
        other[:, seen] += 1
        felt = (network(chunk, torch.zeros(1), digest(network, other)) - before).abs().amax((0, 2)) > 1e-7
        assert felt.all()


def test_bad_sizes_of_the_lstm_are_refused_by_name() -> None:
    assert "network.dim = 3: must be even" in refusal(LSTMConfig, dim=3)
    assert "network.dim = 2: must be even and at least 4" in refusal(LSTMConfig, dim=2)
    assert "network.depth = 0: must be at least 1" in refusal(LSTMConfig, depth=0)
