"""What a selection may ask for beside the candidates: it is there, and it is right."""

import pytest
import torch
from test_policy_watching import watched
from tiny import config, frame, policy

from lerobot_dp_plus.modes import GaussianMixture, NoModes
from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.policies.narrowing import among, dealt, feasible, shown
from lerobot_dp_plus.policies.settling import VIOLATION
from lerobot_dp_plus.selection import Densest, Function, Selection
from lerobot_dp_plus.units import ACTION


def heaviest(candidates: Candidates, tail) -> torch.Tensor:
    """The representative of the heaviest mode, of what is shown."""
    return candidates.representatives[:, 0]


def seer(count: int) -> Function:
    return Function(count, f"{__name__}:heaviest", modes=True)


def test_a_selection_that_asks_for_modes_sees_them_in_the_datasets_units() -> None:
    made = watched(selection=seer(32))
    made.select_action(frame(made.config))
    proposed, chosen = made.episode.replan.proposed, made.episode.replan.chosen
    told = made.config.modes.of(made.model.units.physical(ACTION, proposed.chunks))
    assert torch.equal(proposed.mode, told.mode) and torch.equal(proposed.weights, told.weights)
    assert torch.equal(chosen.chunks, proposed.at(told.nearest[:, 0]).chunks)
    assert not chosen.mode.any(), "of the heaviest mode"


def test_others_are_not_told_apart() -> None:
    made = watched(selection=Densest(32))
    made.select_action(frame(made.config))
    assert made.episode.replan.proposed.mode is None


def test_modes_take_units_and_enough_candidates() -> None:
    with pytest.raises(ValueError, match="does not know its data's units"):
        made = policy(selection=seer(16))
        made.select_action(frame(made.config))
    with pytest.raises(ValueError, match=r"function needs modes, and 15 candidates are too few.*takes at least 16"):
        config(selection=seer(15))
    for modes in (NoModes(), GaussianMixture(max_modes=1)):
        with pytest.raises(ValueError, match=r"function needs modes, and modes\.type = .*never tells two apart"):
            config(selection=seer(16), modes=modes)


def test_what_is_kept_is_dealt_to_all_places() -> None:
    kept = torch.rand(50, 7) < 0.4
    kept[:, 3] = True
    index = dealt(kept)
    rows = torch.arange(50)[:, None]
    assert kept[rows, index].all() and torch.equal(index[kept], torch.arange(7).expand(50, 7)[kept])
    for b in range(50):
        counts = torch.bincount(index[b], minlength=7)[kept[b]]
        assert counts.min() >= 1


def told() -> Candidates:
    """Six candidates of two observations, whose chunks are numbers on a line; three modes."""
    chunks = torch.tensor([[0.0, 1.0, 2.0, 10.0, 11.0, 20.0]]).expand(2, 6)[..., None, None]
    mode = torch.tensor([[0, 0, 0, 1, 1, 2]]).expand(2, 6)
    weights, middle = torch.tensor([[3.0, 2.0, 1.0]]).expand(2, 3) / 6, torch.tensor([[1, 3, 5]]).expand(2, 3)
    violation = torch.tensor([[0.0, 5.0, 0.0, 0.0, 0.0, 5.0], [0.0] * 6])
    return Candidates(chunks, {VIOLATION: violation}, mode=mode, weights=weights, representatives=middle)


def test_modes_of_a_part_keep_their_numbers_and_lose_what_is_left_out() -> None:
    all_of_them = told()
    assert torch.equal(among(all_of_them, shown(all_of_them)).weights[1], all_of_them.weights[1])
    assert torch.equal(among(all_of_them, shown(all_of_them)).representatives[1], all_of_them.representatives[1])
    index = feasible(all_of_them.energies[VIOLATION])
    part = among(all_of_them, index)
    assert 1 not in index[0] and 5 not in index[0]
    counts = torch.bincount(part.mode[0], minlength=3) / 6
    torch.testing.assert_close(part.weights[0], counts)
    assert part.weights[0, 2] == 0, "nothing of it is left"
    for k in (0, 1):
        assert part.mode[0, part.representatives[0, k]] == k
    left = part.chunks[0, part.representatives[0, 0]].item()
    assert left in (0.0, 2.0), "the one in the middle was left out"
    none = told()._replace(weights=None, representatives=None, mode=None)
    assert among(none, index).weights is None


def test_what_may_stand_inside_a_selection_is_every_other_that_holds_none() -> None:
    from lerobot_dp_plus.selection.base import Rule

    all_of_them = Selection.get_known_choices()
    assert set(Rule.get_known_choices()) == {name for name, kind in all_of_them.items() if not kind.nests}
    assert {"lowest_energy", "function"} <= set(Rule.get_known_choices())
    assert Rule.get_choice_class("densest") is Densest and Rule.get_choice_name(Densest) == "densest"


def test_what_is_left_of_a_mode_represents_it_though_another_is_nearer_to_its_middle() -> None:
    chunks = torch.tensor([[0.0, 1.0, 5.0, 1.2]])[..., None, None]
    weights = torch.tensor([[0.75, 0.25]])
    given = Candidates(
        chunks, mode=torch.tensor([[0, 0, 0, 1]]), weights=weights, representatives=torch.tensor([[1, 3]])
    )
    part = among(given, torch.tensor([[2, 3, 3, 3]]))
    assert part.representatives.tolist()[0][0] == 0 and part.mode[0, part.representatives[0, 1]] == 1
    assert part.weights.tolist() == [[0.25, 0.75]]
