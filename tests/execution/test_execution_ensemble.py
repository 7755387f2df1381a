"""Temporal ensembling: a sum by hand, its limits, and which chunks count."""

import math

import pytest
import torch
from torch import Tensor

from lerobot_dp_plus.execution import Ensemble

B, L, A = 3, 6, 2


def plans(count: int = 4) -> list[Tensor]:
    """What chunks of L steps, each one step older than the next, still plan from now on."""
    return [torch.randn(B, L - age, A) for age in reversed(range(count))]


def same(actions: Tensor) -> Tensor:
    return actions


def by_hand(m: float, given: list[Tensor], counts=lambda b, i: True) -> Tensor:
    """Loops over observations and steps; i counts the chunks from the oldest."""
    out = torch.zeros_like(given[-1])
    for b in range(B):
        for j in range(L):
            there = [(i, plan[b, j]) for i, plan in enumerate(given) if j < plan.shape[1] and counts(b, i)]
            weights = [math.exp(-m * i) for i, _ in there]
            out[b, j] = sum(w * action for w, (_, action) in zip(weights, there, strict=True)) / sum(weights)
    return out


@pytest.mark.parametrize("m", [0.0, 0.01, 1.3, -0.7])
def test_it_is_the_weighted_mean_over_all_that_planned_a_step(m: float) -> None:
    given = plans()
    torch.testing.assert_close(Ensemble(m).blend(given, same), by_hand(m, given))


def test_chunks_that_agree_give_themselves_exactly() -> None:
    newest = torch.randn(B, L, A)
    given = [newest[:, : L - age] for age in reversed(range(4))]
    for m in (0.0, 0.01, 3.0):
        assert torch.equal(Ensemble(m).blend(given, same), newest)
    assert torch.equal(Ensemble().blend([newest], same), newest), "the first chunk of an episode"


def test_its_limits_are_the_oldest_and_the_newest_chunk() -> None:
    given = plans(3)
    assert torch.equal(Ensemble(-300.0).blend(given, same), given[-1])
    oldest = torch.cat([given[0], given[1][:, L - 2 : L - 1], given[2][:, L - 1 :]], 1)
    torch.testing.assert_close(Ensemble(300.0).blend(given, same), oldest)


def test_observations_of_a_batch_have_means_of_their_own() -> None:
    given = plans()
    for rule in (Ensemble(0.5), Ensemble(0.5, radius=2.0)):
        together = rule.blend(given, same)
        for b in range(B):
            torch.testing.assert_close(rule.blend([plan[b : b + 1] for plan in given], same)[0], together[b])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_farthest_weights_stay_numbers(dtype: torch.dtype) -> None:
    given = [plan.to(dtype) for plan in plans(6)]
    for m in (700.0, -700.0):
        assert torch.isfinite(Ensemble(m, radius=1e-9).blend(given, same)).all()
        assert Ensemble(m).blend(given, same).dtype is dtype


def test_only_chunks_near_the_newest_count() -> None:
    """Two ways round at ± 1, of one unit in normalised actions, which are ten of the dataset's."""
    newest = torch.ones(B, L, A)
    other = torch.stack([torch.full((L - 1, A), value) for value in (-1.0, 0.9, 1.0)])
    blended = Ensemble(0.0, radius=5.0).blend([other, newest], lambda actions: 10 * actions)
    assert torch.equal(blended[0], newest[0]), "the other way is left out"
    torch.testing.assert_close(blended[1, :-1], torch.full((L - 1, A), 0.95))
    mixed = Ensemble(0.0).blend([other, newest], lambda actions: 10 * actions)
    torch.testing.assert_close(mixed[0, :-1], torch.zeros(L - 1, A))
    # The distance is the root mean square over the steps that both plan.
    apart = torch.zeros(B, 2, A)
    apart[:, 0] += 2.0
    exact = math.sqrt((2 * 1.0 + 2 * 1.0) / 2)
    for radius, counts in ((exact + 1e-4, True), (exact - 1e-4, False)):
        found = Ensemble(0.0, radius=radius).blend([apart, newest], same)
        assert torch.equal(found, newest) is not counts


def test_a_gap_leaves_the_ages_of_the_others() -> None:
    given = plans()
    given[1][0] += 100.0
    expected = by_hand(0.8, given, lambda b, i: not (b == 0 and i == 1))
    torch.testing.assert_close(Ensemble(0.8, radius=50.0).blend(given, same), expected)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"m": float("nan")}, r"execution\.m = nan: must be from -700"),
        ({"m": float("inf")}, r"execution\.m = inf"),
        ({"chunks": 0}, r"execution\.chunks = 0: must be at least 1, or null for all"),
        ({"radius": -1.0}, r"execution\.radius = -1\.0: must be at least 0, in the units of the actions, or null"),
        ({"radius": float("nan")}, r"execution\.radius = nan"),
        ({"every": 0}, r"execution\.every = 0: must be at least 1"),
    ],
)
def test_illegal_fields_are_named(fields, said) -> None:
    with pytest.raises(ValueError, match=said):
        Ensemble(**fields)


def test_it_executes_no_more_than_may_be_executed() -> None:
    Ensemble(every=3).check(1, 3)
    assert Ensemble(every=3).count(torch.zeros(1, 1, 6, 2), torch.zeros(1, 6, 2), 4) == 3
    with pytest.raises(ValueError, match=r"execution\.every = 4: must be at most n_action_steps = 3"):
        Ensemble(every=4).check(1, 3)
