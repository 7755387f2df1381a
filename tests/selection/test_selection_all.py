"""Every selection takes any number of candidates, any batch and any mixture of energies, and is alike for each observation."""

import pytest
import torch

from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.selection import (
    Ask,
    Bidirectional,
    Coherent,
    Densest,
    First,
    Function,
    HoldMode,
    LowestEnergy,
    MostLikely,
    Selection,
)

L, A = 7, 2


def by_goal(candidates: Candidates, tail):
    return candidates.energies["goal"].argmin(1)


def rules(count: int) -> dict[str, Selection]:
    """Every member of the package by its name, for so many candidates, with another energy where it can name one."""
    return {
        "first": First(),
        "coherent": Coherent(count),
        "densest": Densest(count),
        "lowest_energy": LowestEnergy(count, energy="total"),
        "hold_mode": HoldMode(count, energy="total", radius=2.0),
        "most_likely": MostLikely(count),
        "bidirectional": Bidirectional(count, weak="x"),
        "function": Function(count, f"{__name__}:by_goal", asks=("goal",)),
        "ask": Ask(LowestEnergy(count, tolerance=0.1, energy="goal")),
    }


def proposed(batch: int, count: int) -> Candidates:
    energies = {name: torch.rand(batch, count) for name in ("end", "goal", "smoothness", "imitation")}
    energies["total"] = energies["end"] + 3 * energies["goal"] + 0.5 * energies["smoothness"]
    mode = torch.arange(count).expand(batch, count) % 2
    weights = torch.stack([(mode == k).float().mean(1) for k in (0, 1)], 1)
    middle = torch.tensor([[0, 1]]).expand(batch, 2)
    chunks, weak = torch.randn(2, batch, count, L, A)
    return Candidates(chunks, energies, None, mode, None, weights, middle, weak)


def test_no_member_is_left_out() -> None:
    own = {
        name for name, kind in Selection.get_known_choices().items() if kind.__module__.startswith("lerobot_dp_plus.")
    }
    assert own == set(rules(2))


@pytest.mark.parametrize("count", [2, 3, 16])
@pytest.mark.parametrize("name", sorted(rules(2)))
def test_any_number_of_candidates_and_any_batch(name: str, count: int) -> None:
    rule = rules(count)[name]
    rule.check(L, L // 2)
    assert rule.candidates == (1 if name == "first" else count)
    for tail in (None, torch.randn(5, 3, A)):
        given = proposed(5, count)
        index = rule.choose(given, tail)
        assert index.shape == (5,) and index.dtype == torch.int64 and ((index >= 0) & (index < count)).all()
        for b in range(5):
            alone = Candidates(
                *(
                    {key: value[b : b + 1] for key, value in field.items()}
                    if isinstance(field, dict)
                    else field
                    if field is None
                    else field[b : b + 1]
                    for field in given
                )
            )
            assert rule.choose(alone, None if tail is None else tail[b : b + 1]).item() == index[b]


@pytest.mark.parametrize("energy", ["end", "goal", "smoothness", "imitation", "total"])
def test_any_energy_and_their_sum_can_rank(energy: str) -> None:
    given = proposed(5, 16)
    assert torch.equal(LowestEnergy(16, energy=energy).choose(given, None), given.energies[energy].argmin(1))
    assert LowestEnergy(16, energy=energy).energies == (energy,)
