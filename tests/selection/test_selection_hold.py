"""A plan is held until a chunk near to it is better, or another mode is better by a margin."""

import pytest
import torch

from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.selection import HoldMode

NAN = float("nan")


def choose(energies, chunks, tail, **fields):
    """The choice between chunks of one dimension, (N, L) nested, of one observation."""
    candidates = Candidates(torch.tensor(chunks)[None, ..., None], {"end": torch.tensor([energies])})
    tail = None if tail is None else torch.tensor(tail)[None, :, None]
    return HoldMode(2, radius=0.1, **fields).choose(candidates, tail).item()


PLAN = [0.0, 0.0, 0.0]
NEAR, FAR = [0.05, -0.05, 0.09], [0.0, 0.0, 0.2]


@pytest.mark.parametrize(
    ("near", "far", "plan", "margins", "chosen"),
    [
        (3.0, 1.0, 2.0, (0.0, 0.0), FAR),  # no margin: the lowest energy, whatever is planned
        (1.7, 1.5, 2.0, (0.2, 9.0), NEAR),  # a chunk of the plan's own mode, better by more than its margin
        (1.9, 1.5, 2.0, (0.2, 9.0), PLAN),  # by less
        (2.5, 1.0, 2.0, (0.2, 0.9), FAR),  # another mode, better by more than the margin
        (2.5, 1.0, 2.0, (0.2, 1.1), PLAN),  # by less
        (2.0, 1.0, 2.0, (0.0, 9.0), NEAR),  # of equals the one that was drawn for what is seen now
    ],
)
def test_who_takes_the_place_of_a_plan(near, far, plan, margins, chosen) -> None:
    chunks = [NEAR, FAR, PLAN]
    index = choose((near, far, plan), chunks, PLAN, near_margin=margins[0], margin=margins[1])
    assert chunks[index] == chosen


def test_how_far_a_chunk_is_from_the_plan_is_told_where_something_was_planned() -> None:
    far_late = [FAR, PLAN, PLAN]
    assert choose((1.0, 3.0, 2.0), far_late, PLAN, margin=5.0) == 2
    assert choose((1.0, 3.0, 2.0), far_late, [0.0, 0.0, NAN], margin=5.0) == 0
    assert choose((1.0, 3.0, 2.0), far_late, [0.0, 0.0], margin=5.0) == 0


def test_nothing_is_held_where_nothing_is_planned() -> None:
    for tail in (None, [NAN, NAN, NAN]):
        assert choose((2.0, 1.0, 2.0), [PLAN, FAR, PLAN], tail, margin=100.0) == 1


def test_distance_is_that_of_whole_actions() -> None:
    chunks = torch.tensor([[[[0.08, 0.08]], [[0.0, 0.0]]]])  # 0.113 apart
    energies = {"end": torch.tensor([[0.0, 0.5]])}
    tail = torch.zeros(1, 1, 2)
    for radius, chosen in ((0.11, 1), (0.12, 0)):
        assert HoldMode(2, radius=radius, near_margin=0.0).choose(Candidates(chunks, energies), tail).item() == chosen


def test_each_observation_holds_its_own_plan() -> None:
    chunks = torch.tensor([[0.0], [1.0]]).expand(3, 2, 1)[..., None]
    energies = {"end": torch.tensor([[0.5, 0.0]]).expand(3, 2)}
    tail = torch.tensor([[[0.0]], [[1.0]], [[NAN]]])
    assert HoldMode(2, radius=0.1).choose(Candidates(chunks, energies), tail).tolist() == [0, 1, 1]


def test_the_energy_is_left_as_it_was() -> None:
    energies = {"end": torch.tensor([[0.5, 0.0]])}
    HoldMode(2).choose(Candidates(torch.tensor([[[[0.0]], [[1.0]]]]), energies), torch.zeros(1, 1, 1))
    assert energies["end"].tolist() == [[0.5, 0.0]]


def test_values_that_are_not_legal() -> None:
    for name in ("radius", "near_margin", "margin"):
        with pytest.raises(ValueError, match=rf"selection\.{name} = -1: must be at least 0"):
            HoldMode(**{name: -1})
        with pytest.raises(ValueError, match=rf"selection\.{name} = nan"):
            HoldMode(**{name: NAN})
    HoldMode().check(7, 3)
    with pytest.raises(ValueError, match=r"n_action_steps = 4: with selection.type=hold_mode at most 3, half of the 7"):
        HoldMode().check(7, 4)
