"""A time for every step of a chunk: which networks take it, and which actions feel it."""

import pytest
import torch
from small_networks import ACTION_DIM, HORIZON, OBSERVATION_STEPS, WIDTH, awake, build, digest
from torch import Tensor

from lerobot_dp_plus import networks
from lerobot_dp_plus.networks.embeddings import TimeEmbedding, of_patches
from lerobot_dp_plus.notation import Network

BATCH, SMALL = 3, {"dim": 16, "depth": 2, "num_heads": 4}
OF_TOKENS = [
    pytest.param(kind, id=f"{type(kind).__name__}-{kind.patch_size}{'' if getattr(kind, 'causal', True) else '-free'}")
    for patch in (1, 2, HORIZON)
    for kind in (
        networks.TransformerConfig(**SMALL, patch_size=patch),
        networks.TransformerConfig(**SMALL, patch_size=patch, causal=False),
        networks.DiTConfig(**SMALL, patch_size=patch),
        networks.MixtureConfig(**SMALL, patch_size=patch),
    )
]
every_network_of_tokens = pytest.mark.parametrize("config", OF_TOKENS)


def inputs(network: Network) -> tuple[Tensor, Tensor, object]:
    """x_t, times that differ from step to step, and a condition."""
    x_t, time = torch.randn(BATCH, HORIZON, ACTION_DIM), 900 * torch.rand(BATCH, HORIZON)
    return x_t, time, digest(network, torch.randn(BATCH, OBSERVATION_STEPS, WIDTH))


def felt(network: Network) -> Tensor:
    """Which steps of the output (rows) feel the times of which steps (columns), (H, H) bool."""
    x_t, time, condition = inputs(network)
    before, changes = network(x_t, time, condition), []
    for step in range(HORIZON):
        moved = time.clone()
        moved[:, step] += 100.0
        changes.append((network(x_t, moved, condition) - before).abs().amax((0, 2)) > 1e-6)
    return torch.stack(changes, 1)


@every_network_of_tokens
def test_the_same_time_for_every_step_is_one_time(config: networks.NetworkConfig) -> None:
    network = awake(build(config))
    x_t, times, condition = inputs(network)
    one = times[:, 0]
    found = network(x_t, one[:, None].expand(-1, HORIZON), condition)
    torch.testing.assert_close(found, network(x_t, one, condition), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(network(x_t, times, condition), found, atol=1e-3)


def test_a_step_of_the_lstm_feels_its_own_time_and_earlier_ones_only() -> None:
    network = awake(build(networks.LSTMConfig(dim=16, depth=2)))
    steps = torch.arange(HORIZON)
    assert torch.equal(felt(network), steps[:, None] >= steps[None, :])
    x_t, times, condition = inputs(network)
    one = times[:, 0]
    torch.testing.assert_close(
        network(x_t, one[:, None].expand(-1, HORIZON), condition), network(x_t, one, condition), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("patch", [1, 2, 4])
def test_a_causal_token_feels_its_own_time_and_earlier_ones_only(patch: int) -> None:
    tokens = torch.arange(HORIZON) // patch
    seen = felt(awake(build(networks.TransformerConfig(**SMALL, patch_size=patch))))
    assert torch.equal(seen, tokens[:, None] >= tokens[None, :])


@pytest.mark.parametrize(
    "config",
    [
        networks.TransformerConfig(**SMALL, patch_size=1, causal=False),
        networks.DiTConfig(**SMALL),
        networks.MixtureConfig(**SMALL),
    ],
)
def test_without_causality_every_token_feels_every_time(config: networks.NetworkConfig) -> None:
    assert felt(awake(build(config))).all()


@every_network_of_tokens
def test_times_of_one_sample_do_not_reach_another(config: networks.NetworkConfig) -> None:
    network = awake(build(config))
    x_t, time, condition = inputs(network)
    moved = time.clone()
    moved[1] += 100.0
    changed = (network(x_t, moved, condition) - network(x_t, time, condition)).abs().amax((1, 2))
    assert (changed > 1e-6).tolist() == [False, True, False]


def test_a_token_of_several_actions_has_the_mean_of_their_embedded_times() -> None:
    embed, time = TimeEmbedding(8), 900 * torch.rand(BATCH, HORIZON)
    found = of_patches(embed(time), 4)
    assert found.shape == (BATCH, 2, 8)
    for token in range(2):
        steps = [embed(time[:, step]) for step in range(4 * token, 4 * token + 4)]
        torch.testing.assert_close(found[:, token], torch.stack(steps).mean(0))
    assert torch.equal(of_patches(embed(time), 1), embed(time))
    assert torch.equal(of_patches(embed(time[:, 0]), 4), embed(time[:, 0])[:, None])


@every_network_of_tokens
def test_the_order_of_times_matters_between_tokens_and_not_within_one(config: networks.NetworkConfig) -> None:
    network = awake(build(config))
    x_t, time, condition = inputs(network)
    before = network(x_t, time, condition)
    within = time.unflatten(1, (-1, config.patch_size)).flip(2).flatten(1)
    torch.testing.assert_close(network(x_t, within, condition), before, rtol=1e-5, atol=1e-5)
    if config.patch_size < HORIZON:
        between = time.unflatten(1, (-1, config.patch_size)).flip(1).flatten(1)
        assert not torch.allclose(network(x_t, between, condition), before, atol=1e-3)


def test_the_unet_refuses_and_says_which_networks_take_them() -> None:
    network = awake(build(networks.UNet1dConfig(down_dims=(8, 16), n_groups=4, time_embed_dim=16)))
    x_t, time, condition = inputs(network)
    with pytest.raises(
        ValueError,
        match=r"network\.type=unet1d takes one time a chunk \(B,\).*transformer, dit, mixture and lstm take both",
    ):
        network(x_t, time, condition)
    assert network(x_t, time[:, 0], condition).shape == x_t.shape
