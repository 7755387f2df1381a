"""Things that a state lists, as tokens: what each holds, and what cannot be cut."""

import pytest
import torch
from small_networks import awake, build

from lerobot_dp_plus.encoders import ObservationEncoder, SmallCnnConfig
from lerobot_dp_plus.networks import TransformerConfig
from lerobot_dp_plus.notation import PATCHES, STEPS, Span

STATE, LISTED = "observation.state", "observation.environment_state"
DIMS = {LISTED: 6, STATE: 2}


def seen(batch: int = 2, steps: int = 2) -> dict[str, torch.Tensor]:
    return {key: torch.randn(batch, steps, width) for key, width in DIMS.items()}


def test_a_token_is_the_thing_the_other_states_and_which_it_is():
    encoder = ObservationEncoder(DIMS, {}, SmallCnnConfig(), n_obs_steps=2, things=3)
    states = seen()
    steps, things = encoder(states)
    assert steps.kind == STEPS and things.kind == PATCHES and things.valid is None
    assert encoder.spans == {STEPS: Span(2, 8), PATCHES: Span(3, 2 * (2 + 2) + 3)}
    assert Span(*things.values.shape[1:]) == encoder.spans[PATCHES]
    for row in range(2):
        for thing in range(3):
            each = [
                torch.cat([states[LISTED][row, t, 2 * thing : 2 * thing + 2], states[STATE][row, t]]) for t in (0, 1)
            ]
            expected = torch.cat([*each, torch.eye(3)[thing]])
            torch.testing.assert_close(things.values[row, thing], expected)
    assert not list(encoder.parameters()), "states have no weights here"


def test_a_network_of_tokens_acts_on_them():
    encoder = ObservationEncoder(DIMS, {}, SmallCnnConfig(), n_obs_steps=2, things=3)
    network = awake(build(TransformerConfig(dim=16, depth=1, num_heads=2), observation=encoder.spans))
    states = seen(1)
    x_t, time = torch.randn(1, 8, 2), torch.zeros(1)
    tokens = encoder(states)
    before = network(x_t, time, network.condition(tokens))
    moved = tokens[1]._replace(values=tokens[1].values + torch.eye(11)[0])
    assert not torch.allclose(before, network(x_t, time, network.condition((tokens[0], moved))))


@pytest.mark.parametrize("things, dims, message", [
    (4, DIMS, r"things = 4: must divide the 6 numbers of observation\.environment_state; legal are \[1, 2, 3, 6\]"),
    (2, {STATE: 2}, r"things = 2: they are listed in observation\.environment_state, and there are only"),
    (-1, DIMS, r"things = -1: must be at least 0"),
])  # fmt: skip
def test_what_cannot_be_cut_is_named(things, dims, message):
    with pytest.raises(ValueError, match=message):
        ObservationEncoder(dims, {}, SmallCnnConfig(), things=things)
