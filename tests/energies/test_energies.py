"""Energies: closed forms, zero where nothing is wrong, and gradients that are those of the formula."""

import draccus
import pytest
import torch
from torch import Tensor

from lerobot_dp_plus.energies import EnergyTerm, NoEnergy, Smoothness, StayAbove
from lerobot_dp_plus.notation import Scene

B, N, H, A = 2, 3, 6, 3
MEMBERS = [
    Smoothness(),
    StayAbove(dimension=1, limit=0.2),
    StayAbove(dimension=2, limit=-0.1, below=True),
]
every_member = pytest.mark.parametrize("energy", MEMBERS, ids=repr)


def chunks() -> Tensor:
    return torch.randn(B, N, H, A, dtype=torch.float64)


def test_there_is_a_test_for_every_member() -> None:
    assert {NoEnergy, *map(type, MEMBERS)} == set(EnergyTerm.get_known_choices().values())


@pytest.mark.parametrize("horizon", [3, 4, 9])
def test_smoothness_is_half_the_squared_second_difference(horizon: int) -> None:
    some, scene = torch.randn(B, N, horizon, A, dtype=torch.float64), Scene()
    jerks = [some[:, :, j + 1] - 2 * some[:, :, j] + some[:, :, j - 1] for j in range(1, horizon - 1)]
    torch.testing.assert_close(Smoothness()(some, scene), sum(0.5 * jerk.square().sum(-1) for jerk in jerks))
    # x = j² bends by 2 at every step, in each of A dimensions.
    parabola = torch.arange(float(horizon)).square()[:, None].expand(1, 1, horizon, A)
    assert Smoothness()(parabola, scene).item() == 0.5 * (horizon - 2) * A * 4


@pytest.mark.parametrize("horizon", [1, 2, 9])
def test_straight_lines_and_chunks_too_short_to_bend_are_smooth(horizon: int) -> None:
    line = torch.randn(B, N, 1, A) + torch.arange(horizon)[:, None] * torch.randn(B, N, 1, A)
    torch.testing.assert_close(Smoothness()(line, Scene()), torch.zeros(B, N), rtol=0, atol=1e-9)


@pytest.mark.parametrize("below", [False, True])
@pytest.mark.parametrize("now", [0, 2, H - 1])
def test_a_limit_costs_half_the_square_of_how_far_it_is_passed_from_now_on(below: bool, now: int) -> None:
    some, energy = chunks(), StayAbove(dimension=1, limit=0.2, below=below)
    expected = torch.zeros(B, N, dtype=torch.float64)
    for b in range(B):
        for n in range(N):
            for value in some[b, n, now:, 1].tolist():
                over = value - 0.2 if below else 0.2 - value
                expected[b, n] += 0.5 * over**2 if over > 0 else 0
    torch.testing.assert_close(energy(some, Scene(now=now)), expected)
    assert expected.min() < expected.max()


@pytest.mark.parametrize("below", [False, True])
def test_a_limit_that_is_kept_costs_nothing(below: bool) -> None:
    energy, some = StayAbove(dimension=2, limit=0.5, below=below), chunks()
    kept = 0.5 - some[..., 2].abs() if below else 0.5 + some[..., 2].abs()
    some[..., 2] = kept
    assert not energy(some, Scene()).any()
    some[..., 2] = 1 - kept  # as far on the other side
    assert (energy(some, Scene()) > 0).all()
    torch.testing.assert_close(energy(some, Scene()), 0.5 * (kept - 0.5).square().sum(-1))


@every_member
def test_gradients_are_those_of_finite_differences(energy: EnergyTerm) -> None:
    scene = Scene(now=1)
    some = chunks().requires_grad_()
    assert torch.autograd.gradcheck(lambda each: energy(each, scene), (some,))
    (gradient,) = torch.autograd.grad(energy(some, scene).sum(), some)
    assert gradient.any()


@every_member
def test_every_candidate_is_judged_by_itself(energy: EnergyTerm) -> None:
    some, scene = chunks(), Scene()
    told = energy(some, scene)
    assert told.shape == (B, N) and told.dtype == some.dtype
    for b in range(B):
        for n in range(N):
            torch.testing.assert_close(energy(some[b : b + 1, n : n + 1], scene), told[b : b + 1, n : n + 1])


def test_none_prefers_nothing() -> None:
    told = NoEnergy()(chunks(), Scene())
    assert told.shape == (B, N) and not told.any()


@pytest.mark.parametrize("dimension", [-1, 3])
def test_a_dimension_that_actions_do_not_have_is_refused(dimension: int) -> None:
    with pytest.raises(ValueError, match=rf"energy\.dimension = {dimension}: legal are 0 to 2"):
        StayAbove(dimension=dimension).check(3)


def test_dimensions_that_actions_have_are_legal() -> None:
    for dimension in range(3):
        StayAbove(dimension=dimension).check(3)
    for other in (NoEnergy(), Smoothness()):
        other.check(1)


def test_the_axis_decodes_by_name() -> None:
    given = {"type": "stay_above", "dimension": 1, "limit": 3.5, "below": True}
    assert draccus.decode(EnergyTerm, given) == StayAbove(1, 3.5, True)
    assert draccus.decode(EnergyTerm, {"type": "none"}) == NoEnergy()
