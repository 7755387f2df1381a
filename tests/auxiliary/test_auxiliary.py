"""What is learned beside the policy: how losses are put together, which frames they need, and the next state."""

import draccus
import pytest
import torch
from torch import Tensor, nn

from lerobot_dp_plus.auxiliary import (
    Auxiliary,
    Data,
    Dynamics,
    Further,
    Loss,
    Needs,
    NextState,
    NoFurther,
    StateEstimation,
    Surroundings,
    View,
)
from lerobot_dp_plus.encoders import ObservationEncoder, SmallCnnConfig
from lerobot_dp_plus.networks import MixtureConfig
from lerobot_dp_plus.notation import PATCHES, STEPS, WORDS, Tokens
from lerobot_dp_plus.units import Units

STATE, ENVIRONMENT, CAMERA = "observation.state", "observation.environment_state", "observation.image"
DIMS, CAMERAS = {STATE: 2, ENVIRONMENT: 3}, {CAMERA: (3, 24, 24)}
B, A, WIDTH = 4, 2, 6
UNITS = Units(DIMS)


def no_pictures() -> tuple[nn.Module, int]:
    raise AssertionError("no pictures are looked at")


def model(width: int = WIDTH, **fields) -> nn.Module:
    built = NextState(dim=16, **fields).build(Surroundings(DIMS, {}, A, width, no_pictures))
    assert built is not None
    return built


def view(real: Tensor | None = None) -> View:
    """States now and next, and the action between."""
    observations = {key: torch.randn(B, 2, dim) for key, dim in DIMS.items()}
    both = torch.ones(B, 2, dtype=torch.bool) if real is None else torch.stack([torch.ones_like(real), real], 1)
    return View(observations, torch.randn(B, 1, A), torch.ones(B, 1, dtype=torch.bool), both)


def change(seen: View) -> Tensor:
    """o_{t+1} − o_t of all states side by side."""
    return torch.cat([value[:, 1] - value[:, 0] for value in seen.observations.values()], -1)


class Says(nn.Module):
    """Predicts what it was told to, and keeps what it was asked."""

    def __init__(self, answer: Tensor):
        super().__init__()
        self.answer = answer

    def forward(self, asked: Tensor) -> Tensor:
        self.asked = asked
        return self.answer


@pytest.mark.parametrize("counts", [[4, 1, 0, 3], [1, 1, 1, 1], [0, 0, 0, 2]])
def test_the_loss_of_a_batch_is_the_mean_over_all_that_counts(counts: list[int]) -> None:
    errors = torch.rand(4, 4, dtype=torch.float64)
    counted = torch.arange(4) < torch.tensor(counts)[:, None]
    each = (errors * counted).sum(1) / counted.sum(1).clamp_min(1)
    torch.testing.assert_close(Loss(each, counted.sum(1)).mean, errors[counted].mean())


def test_a_batch_of_which_nothing_counts_costs_nothing() -> None:
    assert Loss(torch.rand(3), torch.zeros(3)).mean == 0


def test_who_predicts_the_change_of_all_states_pays_nothing() -> None:
    seen, network = view(), model()
    network.predict = Says(change(seen))
    tokens = (Tokens(torch.randn(B, 2, WIDTH)),)
    loss = network.loss(seen, tokens, UNITS, every=True)
    assert loss.mean == 0 and loss.weight.tolist() == [1] * B
    # It is asked with what the policy sees at the newest step, and what is done there.
    assert torch.equal(network.predict.asked, torch.cat([tokens[0].values[:, -1], seen.actions[:, 0]], -1))


def test_the_loss_is_the_weighted_mean_difference_and_what_is_beyond_an_end_does_not_count() -> None:
    seen, network = view(real=torch.tensor([True, False, True, True])), model(weight=0.3)
    off = torch.randn(B, 5)
    network.predict = Says(change(seen) + off)
    loss = network.loss(seen, (Tokens(torch.randn(B, 1, WIDTH)),), UNITS, every=False)
    torch.testing.assert_close(loss.each, 0.3 * off.abs().mean(1))
    assert loss.weight.tolist() == [1, 0, 1, 1]
    torch.testing.assert_close(loss.mean, 0.3 * off[[0, 2, 3]].abs().mean())


def test_it_learns_the_law_of_what_moves() -> None:
    """o_{t+1} = o_t + 0.5·a: a twentieth of the change is left."""
    network = NextState(dim=32, weight=1.0).build(Surroundings({STATE: 2}, {}, A, 2, no_pictures))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(300):
        state, action = torch.randn(64, 1, 2), torch.rand(64, 1, A) * 2 - 1
        moved = View(
            {STATE: torch.cat([state, state + 0.5 * action], 1)},
            action,
            torch.ones(64, 1, dtype=torch.bool),
            torch.ones(64, 2, dtype=torch.bool),
        )
        loss = network.loss(moved, (Tokens(state),), UNITS, every=False).mean
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.05 * 0.25, "0.25 is the mean size of a change"


def test_its_gradient_reaches_the_features_of_pictures() -> None:
    encoder = ObservationEncoder(DIMS, CAMERAS, SmallCnnConfig(width=16, feature_dim=4), n_obs_steps=2)
    states = {key: torch.randn(B, 2, dim) for key, dim in DIMS.items()}
    tokens = encoder({**states, CAMERA: torch.randn(B, 2, *CAMERAS[CAMERA])})
    network = model(encoder.spans[STEPS].width)
    network.loss(view(), tokens, UNITS, every=False).mean.backward()
    assert all(parameter.grad.any() for parameter in network.parameters())
    reached = {name for name, parameter in encoder.named_parameters() if parameter.grad.any()}
    assert reached == {name for name, _ in encoder.named_parameters()}


def test_tokens_of_other_kinds_are_left_out() -> None:
    seen, network = view(), model()
    steps, words = Tokens(torch.randn(B, 2, WIDTH)), Tokens(torch.randn(B, 3, 7), None, WORDS)
    with_words, without = (network.loss(seen, tokens, UNITS, every=False).each for tokens in ((steps, words), (steps,)))
    assert torch.equal(with_words, without)


#: What every member of every axis needs of a policy that sees three observations, two steps apart.
NEEDS = {
    "dynamics none": Needs(),
    "dynamics outcome": Needs((-2, 0, *range(1, 13)), tuple(range(12))),
    "state_estimation none": Needs(),
    "state_estimation regression": Needs((0,), (), (0,)),
    "auxiliary none": Needs(),
    "auxiliary next_state": Needs((0, 1), (0,)),
    "auxiliary gaze_reconstruction": Needs((0,), (), (0,)),
    "auxiliary gaze_position": Needs((0,), (), (0,)),
    "auxiliary text": Needs((0,)),
}
AXES = {"dynamics": Dynamics, "state_estimation": StateEstimation, "auxiliary": Further}
MEMBERS: dict[str, Auxiliary] = {
    f"{field} {name}": member() for field, axis in AXES.items() for name, member in axis.get_known_choices().items()
}


def test_every_member_says_which_frames_it_needs() -> None:
    assert {name: member.needs(3, 2) for name, member in MEMBERS.items()} == NEEDS


@pytest.mark.parametrize("name", MEMBERS)
def test_frames_are_named_once_and_in_order(name: str) -> None:
    for steps in (1, 2, 5):
        for frames in MEMBERS[name].needs(steps, 3):
            assert list(frames) == sorted(set(frames))


@pytest.mark.parametrize("name", MEMBERS)
def test_what_needs_frames_builds_a_model_that_offers_what_it_says(name: str) -> None:
    member, encoder = MEMBERS[name], ObservationEncoder({}, CAMERAS, SmallCnnConfig(width=16))
    see = lambda: (encoder, encoder.spans[STEPS].width)  # noqa: E731
    network = MixtureConfig()
    built = member.build(Surroundings(DIMS, CAMERAS, A, WIDTH, see, network.reader, network.writer))
    assert (built is not None) == (member.needs(2, 1) != Needs())
    offered = set() if built is None else set(built.energies(Units({**DIMS, "action": A})))
    assert offered == member.offers


def test_without_states_there_is_no_next_one() -> None:
    given = {"cameras": CAMERAS, "action_dim": A, "estimated": False, "crops": True}
    with pytest.raises(ValueError, match=r"auxiliary\.type=next_state predicts states.*legal is auxiliary\.type=none"):
        NextState().check(Data({}, **given))
    NextState().check(Data(DIMS, **given))
    NoFurther().check(Data({}, **given))


def test_the_axis_decodes_by_name() -> None:
    assert draccus.decode(Further, {"type": "next_state", "dim": 7}) == NextState(dim=7)
    assert draccus.decode(Further, {"type": "none"}) == NoFurther()


def test_patches_learn_from_the_next_state_too() -> None:
    places, said = torch.randn(B, 5, WIDTH, requires_grad=True), Tokens(torch.randn(B, 3, 9), None, WORDS)
    model().loss(view(), (Tokens(places, None, PATCHES), said), UNITS, every=False).mean.backward()
    assert places.grad is not None and (places.grad.abs().sum((0, 2)) > 0).all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"dim": 0}, "auxiliary.dim = 0, "), ({"weight": 0.0}, "auxiliary.weight = 0.0: both must be positive")],
)
def test_sizes_that_make_no_model_are_named(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NextState(**fields)
