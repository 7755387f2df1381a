"""Surprise and strangeness against closed forms."""

import pytest
import torch

from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.surprise import Evidence, Usual, distance, expectation, side_by_side


@pytest.mark.parametrize("length", [1, 3, 6])
def test_the_distance_is_a_length_for_each_action_however_long_the_tail(length: int) -> None:
    chunks = torch.randn(2, 5, 6, 3)
    offset = torch.tensor([2.0, -1.0, 2.0])  # length 3
    chunks[:, [0, 1, 2, 4]] += 100
    tail = chunks[:, 3, :length] + offset
    torch.testing.assert_close(distance(Evidence(Candidates(chunks), tail)), torch.tensor([3.0, 3.0]))


def test_it_is_the_root_mean_square_over_the_rows_that_both_plan() -> None:
    chunks = torch.zeros(1, 1, 4, 2)
    chunks[:, :, 2:] = 1e6  # not covered by the tail
    tail = torch.tensor([[[3.0, 4.0], [0.0, 0.0]]])
    torch.testing.assert_close(distance(Evidence(Candidates(chunks), tail)), torch.tensor([(25 / 2) ** 0.5]))


def test_without_a_plan_before_there_is_no_surprise() -> None:
    evidence = Evidence(Candidates(torch.zeros(1, 1, 4, 2)))
    assert distance(evidence) is None and expectation(evidence) is None


def test_the_expectation_is_a_root_mean_square() -> None:
    evidence = Evidence(Candidates(torch.zeros(2, 1, 4, 2)), unexpected=torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
    torch.testing.assert_close(expectation(evidence), torch.tensor([12.5**0.5, 0.5**0.5]))


def correlated(count: int, dim: int = 4) -> torch.Tensor:
    mix = torch.randn(dim, dim, generator=torch.Generator().manual_seed(5))
    return torch.randn(count, dim) @ mix + torch.arange(dim)


def test_usual_observations_have_a_strangeness_of_one() -> None:
    usual = Usual.fit(correlated(20_000), 1e-9)
    fresh = usual.strangeness(correlated(20_000))
    assert float(fresh.mean()) == pytest.approx(1, abs=0.03)
    # D² of a Gaussian is chi-squared: variance 2D, so that of D²/D is 2/D.
    assert float(fresh.var()) == pytest.approx(2 / 4, abs=0.05)


def test_it_does_not_depend_on_units() -> None:
    seen, fresh = correlated(500).double(), correlated(5).double()
    gains, shift = torch.tensor([1e-3, 1.0, 50.0, 1e4]), torch.tensor([5.0, 0.0, -3.0, 1.0])
    there = Usual.fit(seen * gains + shift).strangeness(fresh * gains + shift)
    torch.testing.assert_close(there, Usual.fit(seen).strangeness(fresh), rtol=1e-4, atol=0)


def test_what_leaves_the_common_subspace_is_strange() -> None:
    """Coordinates that determine each other: a deviation no larger than usual ones, in a direction never seen."""
    first = torch.randn(500, 1)
    usual = Usual.fit(torch.cat([first, 2 * first], 1))
    along, across = torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, -2.0]])
    assert float(usual.strangeness(along)) < 2
    assert float(usual.strangeness(across)) > 1000


def test_a_coordinate_that_never_changed_is_measured_in_its_own_unit() -> None:
    usual = Usual.fit(torch.cat([torch.randn(100, 1), torch.full((100, 1), 7.0)], 1))
    assert float(usual.strangeness(torch.tensor([[0.0, 8.0]]))) == pytest.approx(1 / 2 / 1e-4, rel=0.01)
    assert float(usual.strangeness(torch.tensor([[0.0, 7.0]]))) < 1


def test_a_jump_from_frame_to_frame_is_strange_though_no_frame_is() -> None:
    start = torch.randn(500, 1, 2) * 100
    windows = torch.cat([start, start + torch.randn(500, 1, 2)], 1)
    seen = side_by_side({"b": windows[:, :, :1], "a": windows[:, :, 1:]})
    assert seen is not None and seen.shape == (500, 4)
    jump = torch.tensor([[[0.0, 0.0], [30.0, 0.0]]])
    strange = Usual.fit(seen).strangeness(side_by_side({"a": jump[:, :, 1:], "b": jump[:, :, :1]}))
    assert float(strange) > 20 and float(Usual.fit(windows[:, -1]).strangeness(jump[:, -1])) < 1


def test_states_are_sorted_by_name_and_frames_follow_each_other() -> None:
    values = {"b": torch.tensor([[[1.0], [2.0]]]), "a": torch.tensor([[[3.0, 4.0], [5.0, 6.0]]])}
    assert side_by_side(values).tolist() == [[3, 4, 1, 5, 6, 2]]  # type: ignore[union-attr]
    assert side_by_side({}) is None


def test_what_cannot_be_fitted_or_judged_is_named() -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 3\); must be \(n, D\)"):
        Usual.fit(torch.zeros(1, 3))
    with pytest.raises(ValueError, match="NaN or an infinity"):
        Usual.fit(torch.full((5, 2), torch.nan))
    with pytest.raises(ValueError, match="regularisation = 0"):
        Usual.fit(torch.randn(5, 2), 0)
    with pytest.raises(ValueError, match="have 3 coordinates; 2 were fitted"):
        Usual.fit(torch.randn(5, 2)).strangeness(torch.zeros(1, 3))
