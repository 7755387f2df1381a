"""States, places of pictures and words as tokens: each is looked at, and what is not there is not."""

from collections.abc import Callable
from unittest.mock import patch

import pytest
import torch
from small_networks import ACTION_DIM, HORIZON, OBSERVATION_STEPS, WIDTH, awake, build
from torch import Tensor

from lerobot_dp_plus import networks
from lerobot_dp_plus.networks.attention import SHORT, attend
from lerobot_dp_plus.networks.backbones import Scratch
from lerobot_dp_plus.notation import PATCHES, STEPS, WORDS, Network, Span, Tokens, repeat_rows, tile_rows

BATCH, PLACES, SAID = 3, 7, 6
SPANS = {STEPS: Span(OBSERVATION_STEPS, WIDTH), PATCHES: Span(PLACES, 4), WORDS: Span(SAID, 3)}
TRANSFORMER = networks.TransformerConfig(dim=16, depth=2, num_heads=4, patch_size=2)
MIXTURE = networks.MixtureConfig(dim=16, depth=2, num_heads=4, head_dim=4, patch_size=2, backbone=Scratch(dim=24))
DIT = networks.DiTConfig(dim=16, depth=2, num_heads=4)
UNET = networks.UNet1dConfig(down_dims=(8, 16), n_groups=4, time_embed_dim=16)
NETWORKS = {
    "transformer": (TRANSFORMER, {STEPS: SPANS[STEPS]}),
    "transformer of every kind": (TRANSFORMER, SPANS),
    "mixture": (MIXTURE, {STEPS: SPANS[STEPS]}),
    "mixture of every kind": (MIXTURE, SPANS),
    "dit": (DIT, {STEPS: SPANS[STEPS]}),
    "unet1d": (UNET, {STEPS: SPANS[STEPS]}),
    "lstm": (networks.LSTMConfig(dim=16, depth=1), {STEPS: SPANS[STEPS]}),
}
#: How many words of each sample are there: some, none, all.
COUNTS = torch.tensor([2, 0, SAID])


def observation(kinds: dict[str, Span] = SPANS, places: int = PLACES) -> dict[str, Tokens]:
    seen = {
        STEPS: Tokens(torch.randn(BATCH, *SPANS[STEPS])),
        PATCHES: Tokens(torch.randn(BATCH, places, SPANS[PATCHES].width), None, PATCHES),
        WORDS: Tokens(torch.randn(BATCH, *SPANS[WORDS]), torch.arange(SAID) < COUNTS[:, None], WORDS),
    }
    return {kind: seen[kind] for kind in kinds}


def every_kind() -> Network:
    return awake(build(TRANSFORMER, observation=SPANS))


def predict(network: Network, seen: dict[str, Tokens], x_t: Tensor) -> Tensor:
    return network(x_t, torch.tensor([0.0, 30.0, 700.0]), network.condition(tuple(seen.values())))


def chunk() -> Tensor:
    return torch.randn(BATCH, HORIZON, ACTION_DIM)


@pytest.mark.parametrize(("config", "kinds"), NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize(
    ("more", "of_tensor"),
    [
        (repeat_rows, lambda value, count: value.repeat_interleave(count, 0)),
        (tile_rows, lambda value, count: value.repeat(count, *[1] * (value.dim() - 1))),
    ],
    ids=["repeat", "tile"],
)
def test_rows_of_a_condition_are_those_of_repeated_observations(
    config: networks.NetworkConfig, kinds: dict[str, Span], count: int, more: Callable, of_tensor: Callable
) -> None:
    network, seen = awake(build(config, observation=kinds)), observation(kinds)
    again = tuple(
        Tokens(of_tensor(span.values, count), None if span.valid is None else of_tensor(span.valid, count), span.kind)
        for span in seen.values()
    )
    x_t, time = torch.randn(BATCH * count, HORIZON, ACTION_DIM), 900 * torch.rand(BATCH * count)
    once = network(x_t, time, more(network.condition(tuple(seen.values())), count))
    torch.testing.assert_close(once, network(x_t, time, network.condition(again)), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(once[0], once[-1], atol=1e-3)


def test_words_that_are_not_there_change_nothing() -> None:
    """Neither what stands in their place nor how many there are, also where a sentence has no word at all."""
    network, seen, x_t = every_kind(), observation(), chunk()
    before = predict(network, seen, x_t)
    assert before.isfinite().all()
    words = seen[WORDS]
    filled = words._replace(values=torch.where(words.valid[..., None], words.values, 100.0))
    torch.testing.assert_close(predict(network, seen | {WORDS: filled}, x_t), before, rtol=1e-5, atol=1e-5)
    for row, count in enumerate(COUNTS.tolist()):  # each sample by itself, without the words it does not have
        alone = {kind: Tokens(span.values[[row] * BATCH], None, span.kind) for kind, span in seen.items()}
        alone[WORDS] = alone[WORDS]._replace(values=alone[WORDS].values[:, :count])
        found = predict(network, alone, x_t[row].expand_as(x_t))[row]
        torch.testing.assert_close(found, before[row], rtol=1e-5, atol=1e-5)


def test_words_that_are_there_count_wherever_the_padding_is() -> None:
    network, seen, x_t = every_kind(), observation(), chunk()
    before, words = predict(network, seen, x_t), seen[WORDS]
    for order in (torch.arange(SAID).flip(0), torch.randperm(SAID)):
        moved = Tokens(words.values[:, order], words.valid[:, order], WORDS)
        torch.testing.assert_close(predict(network, seen | {WORDS: moved}, x_t), before, rtol=1e-5, atol=1e-5)
    changed = predict(network, seen | {WORDS: words._replace(values=words.values + 1)}, x_t)
    assert ((changed - before).abs().amax((1, 2)) > 1e-4).tolist() == [True, False, True]


@pytest.mark.parametrize("said", [0, 3])
def test_states_and_words_are_enough_also_if_nothing_is_said(said: int) -> None:
    kinds = {STEPS: SPANS[STEPS], WORDS: SPANS[WORDS]}
    network, seen, x_t = awake(build(TRANSFORMER, observation=kinds)), observation(kinds), chunk()
    valid = (torch.arange(SAID) < said).expand(BATCH, -1)
    found = predict(network, seen | {WORDS: seen[WORDS]._replace(valid=valid)}, x_t)
    cut = Tokens(seen[WORDS].values[:, :said], None, WORDS)
    torch.testing.assert_close(found, predict(network, seen | {WORDS: cut}, x_t), rtol=1e-5, atol=1e-5)
    found.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters() if parameter.grad is not None)


def test_every_kind_is_looked_at_and_every_token_that_is_there() -> None:
    network, seen = every_kind(), observation()
    for span in seen.values():
        span.values.requires_grad_()
    predict(network, seen, chunk()).square().sum().backward()
    for kind, span in seen.items():
        reached = span.values.grad.abs().sum(-1) > 0  # (B, S)
        there = torch.ones_like(reached) if span.valid is None else span.valid
        assert torch.equal(reached, there), kind
    unreached = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not unreached


def test_tokens_of_different_samples_never_meet() -> None:
    network, seen, x_t = every_kind(), observation(), chunk()
    before = predict(network, seen, x_t)
    for kind, span in seen.items():
        moved = span.values.clone()
        moved[2] += 1
        changed = (predict(network, seen | {kind: span._replace(values=moved)}, x_t) - before).abs().amax((1, 2))
        assert (changed > 1e-4).tolist() == [False, False, True], kind


def test_kinds_that_an_observation_lacks_have_no_weights() -> None:
    network = build(TRANSFORMER, observation={PATCHES: SPANS[PATCHES]})
    assert set(network.embed_tokens) == {PATCHES}
    assert not [name for name, _ in network.named_parameters() if "observation" in name]
    seen = observation({PATCHES: SPANS[PATCHES]})
    assert predict(awake(network), seen, chunk()).isfinite().all()


@pytest.mark.parametrize("memory", [1, SHORT, SHORT + 1, 70])
@pytest.mark.parametrize("queries", [1, 4])
def test_attention_with_a_mask_is_the_same_on_both_sides_of_short(memory: int, queries: int) -> None:
    q = torch.randn(2, 3, queries, 4, dtype=torch.float64)
    k, v = torch.randn(2, 2, 3, memory, 4, dtype=torch.float64)
    valid = torch.rand(2, memory) < 0.6
    valid[:, 0] = True
    expected = torch.empty_like(q)
    for row in range(2):
        scores = torch.einsum("hld,hmd->hlm", q[row], k[row][:, valid[row]]) / 2
        weights = scores.exp() / scores.exp().sum(-1, keepdim=True)
        expected[row] = torch.einsum("hlm,hmd->hld", weights, v[row][:, valid[row]])
    torch.testing.assert_close(attend(q, k, v, valid=valid), expected)


def test_a_long_memory_is_read_by_the_fused_kernel_as_by_the_short_way() -> None:
    network, seen, x_t = every_kind(), observation(places=2 * SHORT), chunk()
    fused = predict(network, seen, x_t)
    with (
        patch.object(networks.attention, "SHORT", 1000),
        patch.object(
            networks.attention.F, "scaled_dot_product_attention", side_effect=AssertionError("not the short way")
        ),
    ):
        short = predict(network, seen, x_t)
    torch.testing.assert_close(fused, short, rtol=1e-5, atol=1e-5)
    with (
        patch.object(networks.attention.F, "scaled_dot_product_attention", side_effect=AssertionError("fused")),
        pytest.raises(AssertionError, match="fused"),
    ):
        predict(network, seen, x_t)


@pytest.mark.parametrize(("config", "name"), [(UNET, "unet1d"), (DIT, "dit")])
@pytest.mark.parametrize(
    ("kinds", "unread"),
    [((STEPS, PATCHES), "patches"), ((STEPS, WORDS), "words"), ((PATCHES,), "patches"), (SPANS, "patches, words")],
)
def test_networks_of_vectors_refuse_tokens_and_name_what_reads_them(
    config: networks.NetworkConfig, name: str, kinds: tuple[str, ...], unread: str
) -> None:
    message = (
        rf"network\.type = {name}: reads steps, and this observation has {unread} too; "
        r"legal with them: network\.type = mixture or transformer$"
    )
    with pytest.raises(ValueError, match=message):
        config.check_observation(dict.fromkeys(kinds))
    TRANSFORMER.check_observation(dict.fromkeys(kinds))


@pytest.mark.parametrize(("config", "name"), [(UNET, "unet1d"), (DIT, "dit")])
def test_networks_of_vectors_refuse_to_see_nothing(config: networks.NetworkConfig, name: str) -> None:
    with pytest.raises(ValueError, match=rf"network\.type = {name}: reads states and features of pictures"):
        config.check_observation({})
    config.check_observation({STEPS: SPANS[STEPS]})


@pytest.mark.parametrize("config", [TRANSFORMER, MIXTURE, DIT, UNET], ids=lambda c: type(c).__name__)
def test_a_config_reads_what_its_network_reads(config: networks.NetworkConfig) -> None:
    assert build(config).reads == config.reads
