"""How many steps are executed: candidates that are put where the answer is known."""

import pytest
import torch
from torch import Tensor

from lerobot_dp_plus.execution import Agreement, Fixed


def around(chosen: Tensor, spreads: list[float]) -> Tensor:
    """Four candidates at a distance of `spreads[j]` from row j of a chunk (L, A = 2), on four sides: (1, 4, L, 2)."""
    sides = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    return (chosen + sides[:, None] * torch.tensor(spreads)[:, None])[None]


CHOSEN = torch.tensor([[10.0, 20.0], [30.0, 40.0], [50.0, 60.0], [70.0, 80.0], [90.0, 99.0]])


@pytest.mark.parametrize(
    ("spreads", "count"),
    [
        ([1, 2, 3, 4, 5], 3),
        ([1, 2, 3.01, 1, 1], 2),  # what comes after the first disagreement is not executed, though it agrees again
        ([0, 0, 0, 0, 0], 5),
        ([9, 9, 9, 9, 9], 1),
    ],
)
def test_rows_are_executed_while_their_spread_is_at_most_the_threshold(spreads: list[float], count: int) -> None:
    assert Agreement(spread=3, nearest=1.0).count(around(CHOSEN, spreads), CHOSEN[None], 5) == count


def test_it_executes_min_steps_at_least_and_what_is_asked_for_at_most() -> None:
    apart, alike = around(CHOSEN, [9.0] * 5), around(CHOSEN, [0.0] * 5)
    assert Agreement(spread=3, min_steps=2).count(apart, CHOSEN[None], 4) == 2
    assert Agreement(spread=3, min_steps=2).count(alike, CHOSEN[None], 4) == 4
    # Rows beyond what may be executed have no say, also in which candidates are near.
    beyond = around(CHOSEN, [0.0, 0.0, 0.0, 0.0, 1e6])
    assert Agreement(spread=3).count(beyond, CHOSEN[None], 4) == 4


def test_the_most_uncertain_sample_of_a_batch_decides() -> None:
    both = torch.cat([around(CHOSEN, [0, 0, 0, 0, 0]), around(CHOSEN, [0, 0, 9, 9, 9])])
    chosen = CHOSEN.expand(2, -1, -1)
    assert Agreement(spread=3).count(both, chosen, 5) == 2
    assert Agreement(spread=3).count(both[:1], chosen[:1], 5) == 5


def test_half_of_the_candidates_leaves_another_mode_out() -> None:
    other = torch.cat([around(CHOSEN, [1] * 5), around(CHOSEN + torch.tensor([0.0, 200.0]), [1] * 5)], 1)
    assert Agreement(spread=3, nearest=0.5).count(other, CHOSEN[None], 5) == 5
    assert Agreement(spread=3, nearest=1.0).count(other, CHOSEN[None], 5) == 1


def test_fixed_always_executes_as_many() -> None:
    assert Fixed().count(around(CHOSEN, [9.0] * 5), CHOSEN[None], 4) == 4 and not Fixed.compares


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"spread": -1.0}, "execution.spread = -1.0: must be at least 0"),
        ({"spread": float("nan")}, "execution.spread = nan"),
        ({"min_steps": 0}, "execution.min_steps = 0: must be at least 1"),
        ({"nearest": 0.0}, r"execution.nearest = 0.0: must be in \(0, 1\]"),
    ],
)
def test_illegal_fields_are_named(fields: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Agreement(**fields)  # type: ignore[arg-type]


def test_it_needs_two_candidates_and_steps_to_execute() -> None:
    Agreement(min_steps=4).check(16, 4)
    with pytest.raises(ValueError, match="min_steps = 5: must be at most n_action_steps = 4"):
        Agreement(min_steps=5).check(16, 4)
    with pytest.raises(ValueError, match="of 1 candidates it leaves 1"):
        Agreement().check(1, 4)
