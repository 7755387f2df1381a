"""The transformers: who sees whom, what is computed once, where gradients reach, and how large they are."""

import re

import pytest
import torch
from small_networks import ACTION_DIM, HORIZON, OBSERVATION_STEPS, WIDTH, awake, build, digest
from torch import Tensor, nn

from lerobot_dp_plus.networks import DiTConfig, MixtureConfig, NetworkConfig, TransformerConfig
from lerobot_dp_plus.networks.attention import SHORT, attend
from lerobot_dp_plus.networks.dit import DiTBlock
from lerobot_dp_plus.networks.embeddings import SinusoidalEmbedding
from lerobot_dp_plus.notation import STEPS, Network, Span

BATCH = 3
SMALL = {"dim": 16, "depth": 2, "num_heads": 4}
EVERY = [
    pytest.param(kind(**SMALL, patch_size=patch), id=f"{kind.__name__}-{patch}")
    for kind in (TransformerConfig, DiTConfig, MixtureConfig)
    for patch in (1, 2)
]
every_network = pytest.mark.parametrize("config", EVERY)


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    x_t, observation = torch.randn(BATCH, HORIZON, ACTION_DIM), torch.randn(BATCH, OBSERVATION_STEPS, WIDTH)
    return x_t, torch.tensor([0.0, 30.0, 700.0]), observation


def dependence(network: Network) -> Tensor:
    """Which output steps (rows) change with which input steps (columns), (H, H) bool."""
    x_t, time, observation = inputs()
    condition = digest(network, observation)
    before = network(x_t, time, condition)
    changes = []
    for step in range(HORIZON):
        moved = x_t.clone()
        moved[:, step] += 1.0
        changes.append((network(moved, time, condition) - before).abs().amax(dim=(0, 2)) > 1e-6)
    return torch.stack(changes, dim=1)


@pytest.mark.parametrize("patch", [1, 2, 4])
def test_a_causal_token_sees_itself_and_earlier_ones_only(patch: int) -> None:
    tokens = torch.arange(HORIZON) // patch
    seen = dependence(awake(build(TransformerConfig(**SMALL, patch_size=patch))))
    assert torch.equal(seen, tokens[:, None] >= tokens[None, :])


@pytest.mark.parametrize(
    "config", [TransformerConfig(**SMALL, causal=False), DiTConfig(**SMALL)], ids=lambda c: type(c).__name__
)
def test_without_causality_every_token_sees_every_other(config: NetworkConfig) -> None:
    assert dependence(awake(build(config))).all()


@every_network
def test_samples_never_meet_and_everything_is_looked_at(config: NetworkConfig) -> None:
    network = awake(build(config))
    x_t, time, observation = inputs()
    before = network(x_t, time, digest(network, observation))
    for which in range(3):
        moved = [value.clone() for value in (x_t, time, observation)]
        moved[which][1] += 1.0
        after = network(moved[0], moved[1], digest(network, moved[2]))
        changed = (after - before).abs().amax(dim=(1, 2)) > 1e-6
        assert changed.tolist() == [False, True, False]
    # Both steps of the observation, and their order.
    for changed in (observation.roll(1, dims=1), torch.cat([observation[:, :1] + 1, observation[:, 1:]], dim=1)):
        assert not torch.allclose(network(x_t, time, digest(network, changed)), before)


@every_network
def test_condition_is_computed_once_and_serves_every_call(config: NetworkConfig) -> None:
    network = awake(build(config))
    x_t, time, observation = inputs()
    once = digest(network, observation)
    for scale in (1.0, 0.5):
        again = network(scale * x_t, scale * time, digest(network, observation))
        torch.testing.assert_close(network(scale * x_t, scale * time, once), again, rtol=0, atol=0)
    # A call touches nothing that digests observations.
    touched: list[str] = []
    for name, module in network.named_modules():
        if name.startswith("embed_observation") or name.endswith(("memory_norm", "cross_attention.kv")):
            module.register_forward_hook(lambda *_, name=name: touched.append(name))
    network(x_t, time, once)
    assert not touched
    digest(network, observation)
    assert touched


@every_network
def test_starts_as_the_zero_function(config: NetworkConfig) -> None:
    network = build(config)
    x_t, time, observation = inputs()
    assert torch.equal(network(x_t, time, digest(network, observation)), torch.zeros_like(x_t))


def test_dit_blocks_start_as_the_identity() -> None:
    """adaLN-zero: every gate is closed, whatever the condition."""
    x, condition = torch.randn(BATCH, HORIZON, 16), torch.randn(BATCH, 1, 16)
    block = DiTBlock(dim=16, num_heads=4)
    assert torch.equal(block(x, condition), x)
    with torch.no_grad():
        block.modulation.weight.normal_()
    assert not torch.allclose(block(x, condition), block(x, -condition))


def test_a_dit_block_is_its_formula() -> None:
    """x + g₁·attention(s₁·norm(x) + b₁), then x + g₂·MLP(s₂·norm(x) + b₂), each part of the modulation in its place."""
    block, x, condition = DiTBlock(dim=16, num_heads=4), torch.randn(BATCH, HORIZON, 16), torch.randn(BATCH, 1, 16)
    nn.init.normal_(block.modulation.weight)
    nn.init.normal_(block.modulation.bias)
    parts = zip(block.modulation.weight.chunk(6), block.modulation.bias.chunk(6), strict=True)
    b1, s1, g1, b2, s2, g2 = (condition @ weight.T + bias for weight, bias in parts)

    def norm(value: Tensor) -> Tensor:
        return (value - value.mean(-1, keepdim=True)) / (value.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()

    between = x + g1 * block.attention((1 + s1) * norm(x) + b1)
    expected = between + g2 * block.mlp((1 + s2) * norm(between) + b2)
    torch.testing.assert_close(block(x, condition), expected, rtol=1e-4, atol=1e-4)


@every_network
def test_gradients_reach_every_parameter_within_the_first_updates(config: NetworkConfig) -> None:
    """Zero heads and gates open one layer an update: the head, the modulations, then all that feeds them."""
    network = build(config)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    x_t, time, observation = inputs()
    target = torch.randn_like(x_t)
    unreached: list[list[str]] = []
    for _ in range(3):
        optimizer.zero_grad()
        (network(x_t, time, digest(network, observation)) - target).square().mean().backward()
        unreached.append([n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()])
        optimizer.step()
    assert "head.weight" not in unreached[0] and unreached[0]
    assert unreached[1 if isinstance(config, TransformerConfig) else 2] == []


@pytest.mark.parametrize("tokens", [1, 4, SHORT, SHORT + 1])
@pytest.mark.parametrize("causal", [False, True])
def test_attention_is_the_same_on_both_sides_of_short(tokens: int, causal: bool) -> None:
    q, k, v = torch.randn(3, 2, 3, tokens, 4, dtype=torch.float64)
    expected = torch.empty_like(q)
    for i in range(tokens):
        visible = slice(0, i + 1 if causal else tokens)
        scores = torch.einsum("bhd,bhmd->bhm", q[:, :, i], k[:, :, visible]) / 2
        expected[:, :, i] = torch.einsum("bhm,bhmd->bhd", scores.exp() / scores.exp().sum(-1, True), v[:, :, visible])
    torch.testing.assert_close(attend(q, k, v, causal=causal), expected)


def test_time_embedding_is_sin_then_cos_of_geometric_frequencies() -> None:
    time = torch.tensor([0.0, 3.0, 999.0])
    frequencies = 10000.0 ** (-torch.arange(4) / 3)
    expected = torch.cat([torch.sin(time[:, None] * frequencies), torch.cos(time[:, None] * frequencies)], dim=1)
    torch.testing.assert_close(SinusoidalEmbedding(8)(time), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", [TransformerConfig, DiTConfig])
def test_sizes_are_as_documented(kind: type[NetworkConfig]) -> None:
    stated = re.findall(r"dim (\d+), depth (\d+) has ([\d.]+) M", kind.__doc__)
    assert len(stated) == 2 and float(stated[1][2]) > 200
    for dim, depth, millions in stated:
        with torch.device("meta"):
            network: nn.Module = build(
                kind(dim=int(dim), depth=int(depth)), horizon=16, observation={STEPS: Span(2, 128)}
            )
        count = sum(parameter.numel() for parameter in network.parameters()) / 1e6
        digits = len(millions.partition(".")[2])
        assert round(count, digits) == float(millions)


@pytest.mark.parametrize("kind", [TransformerConfig, DiTConfig])
@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"dim": 0}, r"network\.dim = 0: must be at least 1"),
        ({"depth": 0}, r"network\.depth = 0: must be at least 1"),
        ({"num_heads": 0}, r"network\.num_heads = 0: must be at least 1"),
        ({"patch_size": 0}, r"network\.patch_size = 0: must be at least 1"),
        ({"dim": 18, "num_heads": 4}, r"network\.dim = 18: must be a multiple of network\.num_heads = 4"),
        ({"dim": 5, "num_heads": 5}, r"network\.dim = 5: must be even and at least 4"),
        ({"dim": 2, "num_heads": 1}, r"network\.dim = 2: must be even and at least 4"),
    ],
)
def test_sizes_that_do_not_fit_are_named(kind: type[NetworkConfig], sizes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**sizes)


@pytest.mark.parametrize("kind", [TransformerConfig, DiTConfig])
def test_a_patch_must_divide_the_horizon(kind: type[NetworkConfig]) -> None:
    config = kind(**SMALL, patch_size=3)
    with pytest.raises(ValueError, match=r"network\.patch_size = 3: must divide horizon = 8; legal are \[1, 2, 4, 8\]"):
        config.check(horizon=8)
    config.check(horizon=9)


@every_network
def test_blocks_to_shard_exist(config: NetworkConfig) -> None:
    names = {type(module).__name__ for module in build(config).modules()}
    assert config.fsdp_wrap_modules() and set(config.fsdp_wrap_modules()) <= names
