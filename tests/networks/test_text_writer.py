"""Text behind the first block: the mask against one dense sequence, and who sees whom."""

import pytest
import torch
import torch.nn.functional as F
from small_networks import HORIZON, build
from test_pi0_network import BATCH, COUNTS, SOME, chunk, made, observed, predict
from torch import Tensor

from lerobot_dp_plus.networks import MixtureConfig, TransformerConfig
from lerobot_dp_plus.networks.mixture import Mixture
from lerobot_dp_plus.networks.writer import Writer
from lerobot_dp_plus.notation import WORDS, Span, unsaid

LENGTH, DIM = 5, 24


def dense(network: Mixture, seen: dict, text: Tensor) -> Tensor:
    """Transfusion's mask over one sequence: tokens of the first block see each other, a word sees these and earlier words."""
    backbone, expected = network.backbone, []
    for row in range(BATCH):
        first = [network.embed_tokens["patches"](seen["patches"].values[row])]
        first.append(network.embed_tokens["words"](seen["words"].values[row][: COUNTS[row]]))
        x = torch.cat([*first, text[row]])
        before = len(x) - LENGTH
        sees = torch.ones(len(x), len(x), dtype=torch.bool)
        sees[:before, before:] = False
        sees[before:, before:] = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril()
        for layer in backbone.layers:
            q, k, v = (each[0] for each in layer.project(x[None]))
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=sees).transpose(0, 1).flatten(1)
            x = x + layer.out(mixed)
            x = x + layer.mlp(layer.mlp_norm(x))
        expected.append(x[before:])
    return torch.stack(expected)


def test_text_goes_on_as_one_dense_sequence_does():
    network, seen, text = made(SOME[1]), observed(SOME[1]), torch.randn(BATCH, LENGTH, DIM)
    found = network.write(text, network.condition(tuple(seen.values())))
    torch.testing.assert_close(found, dense(network, seen, text), atol=1e-5, rtol=1e-4)


def test_a_word_does_not_change_what_stands_before_it():
    network, seen, text = made(), observed(), torch.randn(BATCH, LENGTH, DIM)
    condition = network.condition(tuple(seen.values()))
    other = text.clone()
    other[:, 3] += 1
    before, after = network.write(text, condition), network.write(other, condition)
    assert torch.equal(before[:, :3], after[:, :3]) and (before[:, 3:] != after[:, 3:]).any(-1).all()


def test_every_step_of_a_chunk_sees_every_other_where_text_sees_only_backwards():
    network, seen = made(), observed()
    x_t = chunk().requires_grad_()
    first = predict(network, seen, x_t)[:, 0].sum()
    first.backward()
    assert (x_t.grad.abs().sum((0, 2)) > 0).all() and x_t.shape[1] == HORIZON


def test_gradients_of_the_text_reach_an_insulated_backbone():
    network, seen = made(insulated=True), observed()
    writer = Writer(DIM, 7, LENGTH)
    scores = writer(torch.randint(7, (BATCH, LENGTH)), network, network.condition(tuple(seen.values())))
    assert scores.shape == (BATCH, LENGTH, 7)
    scores.square().mean().backward()
    learning = [*network.backbone.layers.parameters(), *network.embed_tokens.parameters(), *writer.parameters()]
    assert all(p.grad is not None and p.grad.any() for p in learning)
    assert not any(p.grad is not None for p in network.expert.parameters())


def test_only_a_backbone_of_some_depth_goes_on_with_text():
    assert MixtureConfig(depth=2).writes and not MixtureConfig(depth=1).writes and not TransformerConfig().writes
    assert TransformerConfig().writer(7, 3) is None
    transformer = build(TransformerConfig(dim=16, depth=1, num_heads=2), observation={"steps": Span(1, 3)})
    with pytest.raises(TypeError, match="goes on with no text"):
        transformer.write(torch.zeros(1, 1, 16), None)
    with pytest.raises(TypeError, match="neither pictures nor words"):
        made(("steps",)).write(torch.zeros(1, 1, DIM), None)


def test_what_is_unsaid_is_not_seen_by_the_text():
    network, seen, text = made(), observed(), torch.randn(BATCH, LENGTH, DIM)
    other = {**seen, WORDS: seen[WORDS]._replace(values=torch.randn_like(seen[WORDS].values))}
    silent = [network.write(text, network.condition(unsaid(tuple(each.values())))) for each in (seen, other)]
    assert torch.equal(*silent)
    said = [network.write(text, network.condition(tuple(each.values()))) for each in (seen, other)]
    assert not torch.allclose(said[0][0], said[1][0])
