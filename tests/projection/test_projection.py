"""Projection: it lands on the constraint, leaves alone what keeps it, and does nothing the second time."""

import math

import pytest
import torch
from torch import Tensor

from lerobot_dp_plus.energies import Bounds, Constraint, Obstacles, Speed
from lerobot_dp_plus.forward_maps import Identity, PushT
from lerobot_dp_plus.notation import Scene
from lerobot_dp_plus.projection import Kaczmarz, NoProjection, Projection
from lerobot_dp_plus.units import ACTION

B, N, H, NOW = 2, 6, 8, 1
EXACT = Kaczmarz(steps=200, overshoot=1.0, least_gain=0)
CONSTRAINTS: list[list[Constraint]] = [
    [Obstacles(weight=1, circles=((0.0, 0.0, 0.5),), clearance=0.1)],
    [Obstacles(weight=1, circles=((-0.4, 0.0, 0.3), (0.6, 0.3, 0.2, 0.05, -0.1)), boxes=((0.2, -0.9, 0.5, -0.2),))],
    [Bounds(weight=1, low=(-0.5, -0.4), high=(0.5, 0.6))],
    [Bounds(weight=1, low=(-0.5, -0.4))],
    [Bounds(weight=1, high=(0.4, 0.5)), Speed(weight=1, limit=0.6)],
    [Obstacles(weight=1, circles=((0.0, 0.0, 0.4),)), Bounds(weight=1, low=(-1, -1), high=(1, 1), margin=0.05)],
]
every_set = pytest.mark.parametrize("constraints", CONSTRAINTS, ids=lambda each: "+".join(one.name for one in each))


def chunks(dim: int = 2) -> Tensor:
    steps = 0.25 * torch.randn(B, N, H, dim, dtype=torch.float64)
    some = 0.8 * torch.randn(B, N, 1, dim, dtype=torch.float64) + steps.cumsum(2)
    some[0, 0] = 0.45  # one that breaks hardly any rule
    return some


def depth(some: Tensor, scene: Scene, constraints: list[Constraint]) -> Tensor:
    positions = scene.positions(some)
    return torch.stack([each.depths(positions, scene).amax(-1) + each.margin for each in constraints]).amax(0)


def test_there_is_a_test_for_every_member() -> None:
    assert set(Projection.get_known_choices().values()) == {NoProjection, Kaczmarz}


@every_set
def test_it_lands_on_what_is_allowed_and_does_nothing_twice(constraints: list[Constraint]) -> None:
    torch.manual_seed(3)
    some, forward = chunks(), Identity(steps_between=3)
    scene = Scene(now=NOW, forward=forward)
    before = depth(some, scene, constraints)
    assert (before > 0.02).any() and (before <= 0).any()
    found, left = EXACT(some, scene, constraints)
    after = depth(found, scene, constraints)
    assert (after < 1e-3).all()
    torch.testing.assert_close(left, (after - max(each.margin for each in constraints)).clamp_min(0), atol=1e-9, rtol=0)
    assert torch.equal(found[before <= 0], some[before <= 0]), "what keeps the rules stays"
    assert torch.equal(found[:, :, :NOW], some[:, :, :NOW]), "the past stays"
    again, _ = EXACT(found, scene, constraints)
    torch.testing.assert_close(again, found, atol=2e-3, rtol=0)


@every_set
def test_with_overshoot_a_few_rounds_end_inside(constraints: list[Constraint]) -> None:
    torch.manual_seed(3)
    some, forward = chunks(), Identity(steps_between=3)
    scene = Scene(now=NOW, forward=forward)
    found, left = Kaczmarz(steps=40, overshoot=1.3, least_gain=0, margin=1e-6)(some, scene, constraints)
    assert (left == 0).all()
    again, _ = Kaczmarz(steps=40, overshoot=1.3, least_gain=0)(found, scene, constraints)
    assert torch.equal(again, found)


def test_one_step_onto_a_linear_rule_is_the_orthogonal_projection() -> None:
    """One position, one wall: the least change of actions that puts the position on the wall."""
    forward = Identity(steps_between=2)
    some = torch.tensor([[[[0.0], [1.0]]]], dtype=torch.float64)
    scene = Scene(forward=forward, states={ACTION: torch.zeros(1, 1, 1, dtype=torch.float64)})
    # Positions 0, 0, ½, 1: the last one passes 0.6 by 0.4. Its gain is (0, 1), so only the last action moves.
    found, left = Kaczmarz(steps=1, overshoot=1.0)(some, scene, [Bounds(weight=1, high=(0.6,))])
    torch.testing.assert_close(found[0, 0, :, 0], torch.tensor([0.0, 0.6], dtype=torch.float64))
    assert left.item() == pytest.approx(0, abs=1e-12)
    # The half-way point at ½ passes 0.3 by 0.2 once the last is fixed; its gain is (½, ½).
    found, _ = Kaczmarz(steps=2, overshoot=1.0)(some, scene, [Bounds(weight=1, high=(0.3,))])
    torch.testing.assert_close(found[0, 0, :, 0], torch.tensor([0.0, 0.3], dtype=torch.float64))


def test_a_position_that_two_actions_move_is_moved_by_both() -> None:
    """Half-way between two actions each has the gain ½: the least change that moves it by 0.3 moves both by 0.3."""
    some = torch.tensor([[[[-1.0, 0.2], [1.0, 0.2]]]], dtype=torch.float64)
    scene = Scene(forward=Identity(steps_between=2), states={ACTION: some[:, 0, :1]})
    found, left = Kaczmarz(steps=1, overshoot=1.0)(some, scene, [Obstacles(weight=1, circles=((0.0, 0.0, 0.5),))])
    torch.testing.assert_close(found[0, 0], torch.tensor([[-1.0, 0.5], [1.0, 0.5]], dtype=torch.float64))
    assert left.item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("known", [False, True])
def test_through_pushts_controller_no_sub_step_is_inside(known: bool) -> None:
    torch.manual_seed(1)
    forward, obstacles = PushT(), Obstacles(weight=1, circles=((256, 256, 25),), clearance=15)
    angle = torch.rand(B, dtype=torch.float64) * 2 * math.pi
    here = 256 + 90 * torch.stack([angle.cos(), angle.sin()], -1)
    states = {"observation.state": torch.stack([here, here], 1)}
    if known:
        states[ACTION] = here[:, None]
    some = here[:, None, None] + (512 - 2 * here)[:, None, None] * torch.linspace(0, 1, H, dtype=torch.float64)[:, None]
    some = some + 20 * torch.randn(B, N, H, 2, dtype=torch.float64)
    scene = Scene(states, now=NOW, forward=forward)
    assert (NoProjection()(some, scene, [obstacles]).violation > 20).all(), "straight through"
    found, left = Kaczmarz(margin=3)(some, scene, [obstacles])
    assert (left == 0).all()
    assert (scene.positions(found) - 256).norm(dim=-1).min() >= 40
    assert (found - some).norm(dim=-1).max() < 300


def test_who_starts_inside_is_not_flung_out_by_wild_actions() -> None:
    forward, obstacles = PushT(), Obstacles(weight=1, circles=((256, 256, 25),), clearance=15)
    here = torch.tensor([[250.0, 256.0]], dtype=torch.float64)
    states = {"observation.state": torch.stack([here, here], 1)}
    some = here + torch.zeros(1, N, H, 2, dtype=torch.float64)
    found, left = Kaczmarz(reach=60)(some, Scene(states, now=NOW, forward=forward), [obstacles])
    assert (left > 30).all(), "that it is inside now is said"
    assert (found - some).abs().max() <= 60
    end = Scene(states, now=NOW, forward=forward).positions(found)[:, :, -1]
    assert ((end - 256).norm(dim=-1) > 39).all(), "and it leaves"


def test_it_moves_no_dimension_that_is_no_position() -> None:
    forward = Identity(dimensions=(2, 0))
    some = chunks(3)
    scene = Scene(forward=forward)
    found, _ = EXACT(some, scene, [Bounds(weight=1, high=(0.1, 0.1))])
    assert torch.equal(found[..., 1], some[..., 1]) and (found != some).any()
    assert found[..., [2, 0]].max() < 0.1 + 1e-6


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"steps": 0}, r"projection\.steps = 0"),
        ({"margin": -1}, r"projection\.margin = -1"),
        ({"overshoot": 2}, r"projection\.overshoot = 2"),
        ({"least_gain": 2}, r"projection\.least_gain = 2"),
        ({"reach": 0}, r"projection\.reach = 0"),
    ],
)
def test_illegal_fields_are_refused_by_name(fields: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Kaczmarz(**fields)
