"""π0's network: the mask against one dense sequence, the prefix computed once, the action tokens, and where gradients stop."""

import re
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from refusals import refusal
from small_networks import ACTION_DIM, HORIZON, OBSERVATION_STEPS, WIDTH, awake, build
from torch import Tensor, nn

from lerobot_dp_plus.networks import MixtureConfig
from lerobot_dp_plus.networks.backbones import Scratch
from lerobot_dp_plus.networks.embeddings import SinusoidalEmbedding
from lerobot_dp_plus.networks.experts import Layer
from lerobot_dp_plus.networks.mixture import Mixture
from lerobot_dp_plus.networks.prepared import Prepared
from lerobot_dp_plus.notation import PATCHES, STEPS, WORDS, Span, Tokens, repeat_rows

BATCH, PLACES, SAID, HEADS, DEPTH = 3, 5, 4, 2, 3
SPANS = {STEPS: Span(OBSERVATION_STEPS, WIDTH), PATCHES: Span(PLACES, 6), WORDS: Span(SAID, 3)}
#: How many words of each sample are there.
COUNTS = torch.tensor([2, 0, SAID])
TIME = torch.tensor([0.0, 30.0, 700.0])
SMALL = MixtureConfig(dim=16, depth=DEPTH, num_heads=HEADS, head_dim=4, patch_size=2, backbone=Scratch(dim=24))
#: What may be observed together.
SOME = [(STEPS, PATCHES, WORDS), (PATCHES, WORDS), (STEPS, WORDS), (STEPS, PATCHES), (STEPS,), (PATCHES,), (WORDS,)]
every_observation = pytest.mark.parametrize("kinds", SOME, ids=" ".join)


def made(kinds: tuple[str, ...] = SOME[0], **fields) -> Mixture:
    config = MixtureConfig(**{**vars(SMALL), **fields})
    return awake(build(config, observation={kind: SPANS[kind] for kind in kinds}))


def observed(kinds: tuple[str, ...] = SOME[0]) -> dict[str, Tokens]:
    seen = {
        STEPS: Tokens(torch.randn(BATCH, *SPANS[STEPS])),
        PATCHES: Tokens(torch.randn(BATCH, *SPANS[PATCHES]), None, PATCHES),
        WORDS: Tokens(torch.randn(BATCH, *SPANS[WORDS]), torch.arange(SAID) < COUNTS[:, None], WORDS),
    }
    return {kind: seen[kind] for kind in kinds}


def chunk() -> Tensor:
    return torch.randn(BATCH, HORIZON, ACTION_DIM)


def predict(network: Mixture, seen: dict[str, Tokens], x_t: Tensor, time: Tensor = TIME) -> Tensor:
    return network(x_t, time, network.condition(tuple(seen.values())))


def dense(network: Mixture, seen: dict[str, Tokens], x_t: Tensor, time: Tensor) -> Tensor:
    """The same by one sequence, nothing remembered, token for token: what π0's paper writes.

    Each token has its own weights and width. The mask says of every pair of tokens whether one sees the other.
    """
    expected = []
    for row in range(BATCH):
        tokens: list[Tensor] = []
        block: list[int] = []
        there: list[bool] = []
        for kind in (PATCHES, WORDS):
            if kind in seen:
                linear, norm = network.embed_tokens[kind]
                for i, value in enumerate(seen[kind].values[row]):
                    tokens.append(F.layer_norm(linear(value), (24,), norm.weight, norm.bias))
                    block.append(1)
                    there.append(seen[kind].valid is None or bool(seen[kind].valid[row, i]))
        if STEPS in seen:
            for value, position in zip(seen[STEPS].values[row], network.observation_position, strict=True):
                tokens.append(network.embed_observation(value) + position)
                block.append(2)
                there.append(True)
        frequencies = 10000.0 ** (-torch.arange(8) / 7)
        angles = time[row] * frequencies
        phi = torch.cat([angles.sin(), angles.cos()])
        w2 = torch.cat([network.mix_action.weight, network.mix_time.weight], 1)
        for i, actions in enumerate(x_t[row].reshape(-1, 2 * ACTION_DIM)):
            w1a = network.embed_actions.weight @ actions + network.embed_actions.bias
            hidden = w2 @ torch.cat([w1a, phi]) + network.mix_action.bias
            swish = hidden / (1 + (-hidden).exp())
            tokens.append(network.mixed.weight @ swish + network.mixed.bias + network.position[i])
            block.append(3)
            there.append(True)
        sees = [[(there[j] or i == j) and block[j] <= block[i] for j in range(len(tokens))] for i in range(len(tokens))]
        for depth in range(DEPTH):
            projected = []
            for token, number in zip(tokens, block, strict=True):
                if number == 1 and depth == DEPTH - 1:
                    k, v = network.backbone.last_kv(network.backbone.last_norm(token)).chunk(2)
                    projected.append((k, k, v))  # nobody asks what it would ask
                else:
                    layer = (network.backbone if number == 1 else network.expert).layers[depth]
                    projected.append(layer.qkv(layer.norm(token)).chunk(3))
            after = []
            for i, (token, number) in enumerate(zip(tokens, block, strict=True)):
                if number == 1 and depth == DEPTH - 1:
                    after.append(token)
                    continue
                layer: Layer = (network.backbone if number == 1 else network.expert).layers[depth]
                read = []
                for head in range(HEADS):
                    part = slice(4 * head, 4 * head + 4)
                    scores = torch.stack([projected[i][0][part] @ k[part] / 2 for _, k, _ in projected])
                    share = scores.masked_fill(~torch.tensor(sees[i]), -torch.inf).softmax(0)
                    read.append(share @ torch.stack([v[part] for _, _, v in projected]))
                token = token + layer.out(torch.cat(read))
                after.append(token + layer.mlp(layer.mlp_norm(token)))
            tokens = after
        actions = torch.stack([t for t, number in zip(tokens, block, strict=True) if number == 3])
        expected.append(network.head(network.norm(actions)).reshape(HORIZON, ACTION_DIM))
    return torch.stack(expected)


@every_observation
@torch.no_grad()
def test_it_is_one_dense_sequence_under_the_blockwise_mask(kinds: tuple[str, ...]) -> None:
    network, seen, x_t = made(kinds), observed(kinds), chunk()
    found = predict(network, seen, x_t)
    torch.testing.assert_close(found, dense(network, seen, x_t, TIME), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found[0], found[1], atol=1e-2)


@torch.no_grad()
def test_the_reference_would_notice_a_mask_that_lets_the_prefix_see_the_state() -> None:
    """The prefix must not depend on the state, which changes at every step while the sentence stays."""
    network, seen = made(), observed()
    moved = {**seen, STEPS: Tokens(seen[STEPS].values + 1)}
    before, after = (network.condition(tuple(one.values())) for one in (seen, moved))
    for pair, other in zip(before.memory, after.memory, strict=True):
        assert torch.equal(pair[0], other[0]) and torch.equal(pair[1], other[1])
    assert not torch.equal(before.state[-1][0], after.state[-1][0])
    told = {**seen, PATCHES: seen[PATCHES]._replace(values=seen[PATCHES].values + 1)}
    assert not torch.equal(before.state[-1][0], network.condition(tuple(told.values())).state[-1][0])


@pytest.mark.parametrize("count", [1, 4])
@torch.no_grad()
def test_the_prefix_is_computed_once_for_all_candidates_and_calls(count: int) -> None:
    network, seen = made(), observed()
    rows: dict[str, list[int]] = {"backbone": [], "steps": [], "expert": []}
    network.backbone.register_forward_pre_hook(lambda _, args: rows["backbone"].append(len(args[0])))
    network.embed_observation.register_forward_pre_hook(lambda _, args: rows["steps"].append(len(args[0])))
    network.expert.register_forward_pre_hook(lambda _, args: rows["expert"].append(len(args[0])))
    condition = repeat_rows(network.condition(tuple(seen.values())), count)
    times = [time.expand(BATCH * count) for time in torch.tensor([0.0, 40.0, 99.0])]
    calls = Prepared(network, times, condition)
    for time in times:
        calls(torch.randn(BATCH * count, HORIZON, ACTION_DIM), time, condition)
    assert rows == {"backbone": [BATCH], "steps": [BATCH], "expert": [BATCH * count] * 3}


@every_observation
def test_prepared_equals_called_and_every_weight_is_reached(kinds: tuple[str, ...]) -> None:
    network, seen, x_t = made(kinds), observed(kinds), chunk()
    condition = network.condition(tuple(seen.values()))
    times = [time.expand(BATCH) for time in torch.tensor([0.0, 40.0])]
    calls = Prepared(network, times, condition)
    for time in times:
        torch.testing.assert_close(calls(x_t, time, condition), network(x_t, time, condition), rtol=1e-5, atol=1e-5)
    predict(network, seen, x_t).square().sum().backward()
    assert not [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert (network.backbone is None) == (kinds == (STEPS,))


@torch.no_grad()
def test_padding_changes_nothing_whatever_stands_there() -> None:
    network, seen, x_t = made(), observed(), chunk()
    before, words = predict(network, seen, x_t), seen[WORDS]
    filled = words._replace(values=torch.where(words.valid[..., None], words.values, 100.0))
    torch.testing.assert_close(predict(network, {**seen, WORDS: filled}, x_t), before, rtol=1e-5, atol=1e-5)
    longer = Tokens(F.pad(words.values, (0, 0, 0, 40)), F.pad(words.valid, (0, 40)), WORDS)
    torch.testing.assert_close(predict(network, {**seen, WORDS: longer}, x_t), before, rtol=1e-5, atol=1e-5)
    # The second sample was told nothing at all, and acts as a network without that block's words.
    none = Tokens(words.values[:, :0], words.valid[:, :0], WORDS)
    torch.testing.assert_close(predict(network, {**seen, WORDS: none}, x_t)[1], before[1], rtol=1e-5, atol=1e-5)


def test_nothing_said_and_nothing_else_in_its_block_is_no_nan() -> None:
    network, x_t = made((STEPS, WORDS)), chunk()
    seen = observed((STEPS, WORDS))
    seen[WORDS] = seen[WORDS]._replace(valid=torch.zeros(BATCH, SAID, dtype=torch.bool))
    found = predict(network, seen, x_t)
    found.sum().backward()
    assert found.isfinite().all()
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


@pytest.mark.parametrize("insulated", [False, True])
def test_insulated_the_chunks_loss_does_not_reach_pictures_and_words(insulated: bool) -> None:
    """Exactly zero, or rather none at all; the state is the expert's own and is reached."""
    network, seen = made(insulated=insulated), observed()
    for span in seen.values():
        span.values.requires_grad_()
    predict(network, seen, chunk()).square().sum().backward()
    prefix = [*network.backbone.parameters(), *network.embed_tokens.parameters()]
    prefix += [seen[PATCHES].values, seen[WORDS].values]
    assert all((value.grad is None or not value.grad.any()) == insulated for value in prefix)
    assert seen[STEPS].values.grad.any() and all(p.grad.any() for p in network.expert.parameters())


@torch.no_grad()
def test_insulation_changes_no_prediction() -> None:
    network, seen, x_t = made(), observed(), chunk()
    before = predict(network, seen, x_t)
    network.insulated = True
    assert torch.equal(predict(network, seen, x_t), before)


@torch.no_grad()
def test_a_step_of_its_own_time_is_felt_by_every_token_of_the_chunk() -> None:
    network, seen, x_t = made(patch_size=2), observed(), chunk()
    condition = network.condition(tuple(seen.values()))
    times = 900 * torch.rand(BATCH, HORIZON)
    before = network(x_t, times, condition)
    for step in range(HORIZON):
        moved = times.clone()
        moved[:, step] += 100
        assert ((network(x_t, moved, condition) - before).abs().amax((0, 2)) > 1e-6).all()


def test_widths_of_the_two_sets_of_weights_are_independent_and_heads_are_not() -> None:
    network = build(MixtureConfig(dim=10, depth=2, num_heads=3, head_dim=5, backbone=Scratch(dim=7)), observation=SPANS)
    assert network.expert.layers[0].qkv.weight.shape == (45, 10) and network.backbone.last_kv.weight.shape == (30, 7)
    assert len(network.expert.layers) == 2 and len(network.backbone.layers) == 1
    assert predict(awake(network), observed(), chunk()).isfinite().all()


def test_sizes_are_as_documented() -> None:
    network = build(MixtureConfig(), horizon=16, observation={STEPS: Span(2, 4), PATCHES: Span(32, 64)})
    (whole, part) = re.findall(r"as it comes ([\d.]+) M parameters, of which the backbone has ([\d.]+) M", _doc())[0]
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 1) == float(whole)
    assert round(sum(p.numel() for p in network.backbone.parameters()) / 1e6, 1) == float(part)
    (alone,) = re.findall(r"192 has ([\d.]+) M", Scratch.__doc__ or "")
    assert alone == part


def _doc() -> str:
    return MixtureConfig.__doc__ or ""


def test_what_does_not_fit_is_named() -> None:
    assert "network.head_dim = 0: must be at least 1" in refusal(MixtureConfig, head_dim=0)
    assert "network.depth = 0: must be at least 1" in refusal(MixtureConfig, depth=0)
    assert "network.dim = 5: must be even and at least 4" in refusal(MixtureConfig, dim=5)
    assert "network.backbone.dim = 0: must be at least 1" in refusal(Scratch, dim=0)


@pytest.mark.parametrize("width", [4, 8, 16])
def test_the_time_reaches_a_token_through_sines_of_it(width: int) -> None:
    """φ is no learned embedding, as published: it has no weights, and neighbours in time are neighbours in it."""
    network = made(dim=width)
    assert isinstance(network.embed_time, SinusoidalEmbedding) and not list(network.embed_time.parameters())
    assert isinstance(network.mix_time, nn.Linear) and network.mix_time.bias is None
    away = [(network.embed_time(TIME[:1] + step) - network.embed_time(TIME[:1])).norm() for step in (0, 0.1, 0.5, 1)]
    assert all(near < far for near, far in pairwise(away))
