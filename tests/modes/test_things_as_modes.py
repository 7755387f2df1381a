"""Things as modes: which one a chunk goes to, what it is called, and what is refused."""

import pytest
import torch

from lerobot_dp_plus.modes import Things
from lerobot_dp_plus.notation import Scene

LISTED, OWN = "observation.environment_state", "observation.state"
NAMES = ("red", "green", "blue")
#: x, y and two further numbers of each thing, in two observations of one step.
PLACES = torch.tensor([[[0.1, 0.5], [0.9, 0.5], [0.5, 0.1]], [[0.8, 0.2], [0.2, 0.2], [0.5, 0.9]]])
SCENE = Scene({LISTED: torch.cat([PLACES, torch.rand(2, 3, 2)], 2).flatten(1)[:, None]})


def straight(ends: torch.Tensor, length: int = 5) -> torch.Tensor:
    """Chunks (B, N, L, 3) from the middle of the table to `ends` (B, N, 2), and a gripper."""
    ways = 0.5 + (ends - 0.5)[:, :, None] * torch.linspace(0, 1, length)[:, None]
    return torch.cat([ways, torch.rand(*ways.shape[:3], 1)], -1)


def test_a_chunk_is_of_the_thing_that_it_comes_nearest_to() -> None:
    goal = torch.tensor([[0, 1, 1, 2, 0, 1], [2, 2, 2, 2, 2, 2]])
    ends = PLACES.gather(1, goal[..., None].expand(-1, -1, 2)) + 0.02 * torch.randn(2, 6, 2)
    found = Things(NAMES).of(straight(ends), SCENE)
    assert torch.equal(found.mode, goal)
    torch.testing.assert_close(found.weights, torch.tensor([[2, 3, 1], [0, 0, 6]]) / 6)
    torch.testing.assert_close(found.centres, PLACES)
    best = (ends[0] - PLACES[0, 1]).norm(dim=-1)[[1, 2, 5]].argmin()
    assert found.nearest[0, 1] == [1, 2, 5][best]


def test_velocities_begin_where_the_robot_is() -> None:
    scene = Scene({**SCENE.states, OWN: torch.tensor([[[0.5, 0.5, 0.0]], [[0.5, 0.5, 0.0]]])})
    velocity = torch.zeros(2, 1, 4, 3)
    velocity[0, 0, :, 0] = -1.0  # to the left, 0.4 in four steps
    velocity[1, 0, :, 1] = 1.0
    assert Things(NAMES, step=0.1).of(velocity, scene).mode.tolist() == [[0], [2]]


def test_others_may_be_listed_after_those_that_have_names() -> None:
    listed = torch.cat([PLACES, torch.full((2, 1, 2), 0.5)], 1).flatten(1)[:, None]
    found = Things(NAMES, listed=4).of(straight(PLACES[:, :1]), Scene({LISTED: listed}))
    assert found.mode.tolist() == [[0], [0]] and found.weights.shape == (2, 3)


def test_names_are_by_colour_and_place() -> None:
    assert Things(NAMES).called(SCENE, 0) == (
        "red, left, at (0.10, 0.50)",
        "green, right, at (0.90, 0.50)",
        "blue, middle, at (0.50, 0.10)",
    )


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"names": ("red",)}, "modes.names = .'red'.: must be two or more"),
        ({"names": ("red", "red")}, "two or more different names"),
        ({"names": NAMES, "listed": 2}, "modes.listed = 2: must be at least the 3"),
        ({"names": NAMES, "step": -1.0}, "modes.step = -1.0"),
        ({"names": NAMES, "coordinates": ()}, "modes.coordinates"),
    ],
)
def test_illegal_fields_are_named(fields: dict, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Things(**fields)


@pytest.mark.parametrize(
    ("things", "action", "states", "named"),
    [
        (Things(NAMES), 3, {LISTED: 16}, "has 16 numbers, and cannot list the places of 3 things"),
        (Things(NAMES), 3, {}, "has 0 numbers"),
        (Things(NAMES), 1, {LISTED: 15}, "an action has the dimensions 0 to 0"),
        (Things(NAMES, step=0.1), 3, {LISTED: 15, OWN: 1}, "modes.step = 0.1: velocities begin at"),
    ],
)
def test_what_does_not_list_things_is_refused(things: Things, action: int, states: dict, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        things.check(action, states)


def test_chunks_alone_tell_no_thing() -> None:
    with pytest.raises(ValueError, match="where things are listed"):
        Things(NAMES).of(straight(PLACES))
