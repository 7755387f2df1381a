"""What is computed ahead changes nothing: networks told their times, and single tokens without attention."""

from unittest.mock import patch

import pytest
import torch
from small_networks import HORIZON, awake, build, digest

from lerobot_dp_plus.networks import DiTConfig, MixtureConfig, NetworkConfig, TransformerConfig, UNet1dConfig
from lerobot_dp_plus.networks.attention import SelfAttention
from lerobot_dp_plus.networks.dit import FEW
from lerobot_dp_plus.networks.embeddings import SinusoidalEmbedding
from lerobot_dp_plus.networks.prepared import Prepared

SMALL = {"dim": 16, "depth": 2, "num_heads": 2}
EVERY = [
    TransformerConfig(**SMALL, patch_size=2),
    TransformerConfig(**SMALL, patch_size=HORIZON),
    DiTConfig(**SMALL, patch_size=4),
    MixtureConfig(**SMALL, head_dim=8, patch_size=2),
    UNet1dConfig(down_dims=(8, 16), n_groups=4, time_embed_dim=8),
]
every_network = pytest.mark.parametrize(
    "config", EVERY, ids=lambda c: f"{type(c).__name__}{getattr(c, 'patch_size', '')}"
)


@every_network
@pytest.mark.parametrize("batch", [1, 3, FEW + 1])
def test_prepared_calls_equal_the_network(config: NetworkConfig, batch: int) -> None:
    network = awake(build(config))
    x_t = torch.randn(batch, HORIZON, 2)
    times = [time.expand(batch) for time in torch.tensor([0.0, 40.0, 99.0])]
    condition = digest(network, torch.randn(batch, 2, 5))
    expected = [network(x_t, time, condition) for time in times]  # with gradients: nothing is left out
    with torch.no_grad():
        prepared = Prepared(network, times, condition)
        for time, one in zip(times, expected, strict=True):
            torch.testing.assert_close(prepared(x_t, time, condition), one, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(
                prepared(2 * x_t, time, condition), network(2 * x_t, time, condition), rtol=1e-4, atol=1e-5
            )
        assert not torch.allclose(expected[0], expected[1], atol=1e-3)


@every_network
def test_announced_times_cost_no_embedding_any_more_and_others_are_answered(config: NetworkConfig) -> None:
    network = awake(build(config))
    x_t, condition = torch.randn(2, HORIZON, 2), digest(network, torch.randn(2, 2, 5))
    times = [time.expand(2) for time in torch.tensor([0.0, 40.0])]
    prepared = Prepared(network, times, condition)
    calls: list[int] = []
    next(m for m in network.modules() if isinstance(m, SinusoidalEmbedding)).register_forward_hook(
        lambda *_: calls.append(1)
    )
    for time in times:
        prepared(x_t, time, condition)
    assert not calls
    other = torch.full((2,), 7.0)
    torch.testing.assert_close(prepared(x_t, other, condition), network(x_t, other, condition))
    assert calls
    jump = prepared(x_t, times[0], condition, times[1])
    torch.testing.assert_close(jump, network(x_t, times[0], condition, times[1]))


def test_a_single_token_needs_no_queries_and_keys() -> None:
    attention = SelfAttention(16, num_heads=4, causal=True).double()
    x = torch.randn(3, 1, 16, dtype=torch.float64)
    expected = attention(x)  # with gradients: the long way
    with torch.no_grad():
        torch.testing.assert_close(attention(x), expected)
        with patch("lerobot_dp_plus.networks.attention.attend", side_effect=AssertionError("not needed")):
            attention(x)
