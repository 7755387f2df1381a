"""Where networks look: the weights that attention really used, by kind of token."""

from typing import Any

import pytest
import torch
from small_networks import ACTION_DIM, HORIZON, OBSERVATION_STEPS, WIDTH, awake, build
from torch import Tensor

from lerobot_dp_plus.networks import DiTConfig, MixtureConfig, TransformerConfig, attention, experts
from lerobot_dp_plus.networks.backbones import Scratch
from lerobot_dp_plus.networks.looking import Looking
from lerobot_dp_plus.notation import PATCHES, STEPS, WORDS, Span, Tokens

PLACES, SAID = 5, 4
SPANS = {STEPS: Span(OBSERVATION_STEPS, WIDTH), PATCHES: Span(PLACES, 6), WORDS: Span(SAID, 3)}
VALID = torch.tensor([[True, True, False, False], [True] * 4])
NETWORKS = {
    "transformer": TransformerConfig(dim=16, depth=3, num_heads=2, memory_depth=1, patch_size=2),
    "mixture": MixtureConfig(dim=16, depth=3, num_heads=2, head_dim=4, patch_size=2, backbone=Scratch(dim=24)),
}


def observed() -> tuple[Tokens, ...]:
    return (
        Tokens(torch.randn(2, *SPANS[STEPS])),
        Tokens(torch.randn(2, *SPANS[PATCHES]), None, PATCHES),
        Tokens(torch.randn(2, *SPANS[WORDS]), VALID, WORDS),
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_they_are_the_weights_of_the_means_that_are_made(name: str, monkeypatch: Any) -> None:
    """Values that are ones for a single key, and zeros for others, come back as the weight of that key."""
    network, seen = awake(build(NETWORKS[name], observation=SPANS)), observed()
    x_t, time = torch.randn(2, HORIZON, ACTION_DIM), torch.tensor([3.0, 700.0])
    found: list[Tensor] = []
    real, condition = attention.attend, network.condition(seen)
    total = OBSERVATION_STEPS + PLACES + SAID

    def spied(q: Tensor, k: Tensor, v: Tensor, **how: Any) -> Tensor:
        if k.shape[2] >= total:
            eye = torch.eye(k.shape[2]).expand(*k.shape[:3], -1)
            found.append(real(q, k, eye, **how)[..., :total])
        return real(q, k, v, **how)

    monkeypatch.setattr(attention, "attend", spied)
    monkeypatch.setattr(experts, "attend", spied)
    network(x_t, time, condition)
    monkeypatch.undo()
    assert len(found) == 3
    expected = torch.stack(found).mean((0, 2, 3))  # (B, S)
    looks = network.looks(x_t, time, seen)  # type: ignore[operator]
    order = (STEPS, PATCHES, WORDS) if name == "transformer" else (PATCHES, WORDS, STEPS)
    torch.testing.assert_close(torch.cat([looks[kind] for kind in order], 1), expected)
    assert torch.equal(looks[WORDS][0, 2:], torch.zeros(2)), "words that are not there"
    rest = sum(each.sum(1) for each in looks.values())
    if name == "transformer":
        torch.testing.assert_close(rest, torch.ones(2))
    else:
        assert (rest < 1).all(), "actions also look at each other"


def test_nothing_stays_behind() -> None:
    network, seen = awake(build(NETWORKS["mixture"], observation=SPANS)), observed()
    before = [len(module._forward_hooks) for module in network.modules()]
    with pytest.raises(RuntimeError):
        network.looks(torch.randn(2, HORIZON, ACTION_DIM + 1), torch.zeros(2), seen)  # type: ignore[operator]
    assert [len(module._forward_hooks) for module in network.modules()] == before


def test_a_network_without_attention_to_tokens_does_not_look() -> None:
    assert not isinstance(build(DiTConfig(dim=16, depth=1, num_heads=2)), Looking)
    assert isinstance(build(NETWORKS["transformer"]), Looking)
