"""The observation's tokens attend to each other first: to those that are there, and only where it is asked for."""

import pytest
import torch
from small_networks import ACTION_DIM, HORIZON, awake, build

from lerobot_dp_plus.networks import TransformerConfig
from lerobot_dp_plus.notation import PATCHES, STEPS, WORDS, Span, Tokens

SPANS = {STEPS: Span(2, 4), PATCHES: Span(3, 5), WORDS: Span(4, 6)}


def observation(valid: torch.Tensor, seed: int = 0) -> list[Tokens]:
    draw = torch.Generator().manual_seed(seed)
    made = [Tokens(torch.randn(2, *span, generator=draw), None, kind) for kind, span in SPANS.items()]
    return [*made[:2], made[2]._replace(valid=valid)]


def network(depth: int) -> torch.nn.Module:
    torch.manual_seed(0)
    return awake(build(TransformerConfig(dim=16, depth=1, num_heads=2, memory_depth=depth), observation=SPANS))


@pytest.mark.parametrize("depth", [1, 2])
def test_what_is_not_there_is_not_attended_to(depth):
    made = network(depth)
    x_t, time = torch.randn(2, HORIZON, ACTION_DIM), torch.rand(2)
    there = torch.tensor([[True, True, False, False]] * 2)
    tokens = observation(there)
    noisy = tokens[2].values.clone()
    noisy[:, 2:] = 100.0
    hidden = [*tokens[:2], tokens[2]._replace(values=noisy)]
    first, second = (made(x_t, time, made.condition(each)) for each in (tokens, hidden))
    torch.testing.assert_close(first, second)
    noisy[:, 0] += 1.0
    assert not torch.allclose(first, made(x_t, time, made.condition(hidden)))


def test_every_token_hears_every_other():
    """A word changes what is remembered of a place; without these layers it does not."""
    for depth, changes in ((0, False), (1, True)):
        made = network(depth)
        there = torch.ones(2, 4, dtype=torch.bool)
        tokens = observation(there)
        other = [*tokens[:2], tokens[2]._replace(values=tokens[2].values + 1)]
        places = slice(SPANS[STEPS].length, SPANS[STEPS].length + SPANS[PATCHES].length)
        (keys, *_), (changed, *_) = (made.condition(each)[0] for each in (tokens, other))
        assert torch.allclose(keys[:, :, places], changed[:, :, places]) is not changes


def test_without_them_there_are_no_weights_of_theirs():
    names = {name for name, _ in network(0).named_parameters()}
    assert not [name for name in names if "memory_block" in name]
    assert names < {name for name, _ in network(1).named_parameters()}


def test_a_negative_depth_is_named():
    with pytest.raises(ValueError, match=r"network\.memory_depth = -1: must be at least 0"):
        TransformerConfig(memory_depth=-1)
