"""Gradient steps on a chunk: in closed form on a quadratic energy, within their limits, and never for the worse."""

import logging
import math

import pytest
import torch
from torch import Tensor

from lerobot_dp_plus.notation import Scene
from lerobot_dp_plus.refinement import GradientSteps, NoRefinement
from lerobot_dp_plus.refinement import gradient as gradient_file

B, N, H, A, NOW = 2, 3, 5, 2, 1
TARGET, STIFF = 3.0, 0.4
every_mode = pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])


def quadratic(chunks: Tensor, scene: Scene) -> Tensor:
    return STIFF / 2 * (chunks - TARGET).square().sum((2, 3))


def drawn() -> Tensor:
    return torch.randn(B, N, H, A, dtype=torch.float64) * 10


@every_mode
@pytest.mark.parametrize("anchor", [0.0, 0.3])
@pytest.mark.parametrize("steps", [1, 4])
def test_on_a_quadratic_energy_it_is_the_closed_form(mode, anchor: float, steps: int) -> None:
    with mode():
        start = drawn()
        found = GradientSteps(steps=steps, step=0.5, anchor=anchor)(start, Scene(now=NOW), quadratic)
    rest = (STIFF * TARGET + anchor * start) / (STIFF + anchor)
    expected = rest + (1 - 0.5 * (STIFF + anchor)) ** steps * (start - rest)
    torch.testing.assert_close(found[:, :, NOW:], expected[:, :, NOW:])
    assert torch.equal(found[:, :, :NOW], start[:, :, :NOW]), "the past stays"
    assert not found.requires_grad


def test_no_step_is_the_chunk_itself_and_no_place() -> None:
    start = drawn()
    for still in (GradientSteps(steps=0), GradientSteps(step=0.0), NoRefinement()):
        assert still.place is None and torch.equal(still(start, Scene(), quadratic), start)
    assert GradientSteps().place == "chosen" and GradientSteps(of="candidates").place == "candidates"


def test_no_action_goes_further_than_its_reach() -> None:
    start = drawn()
    found = GradientSteps(steps=50, step=1.0, reach=0.7)(start, Scene(), quadratic)
    expected = start + (TARGET - start).clamp(-0.7, 0.7)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_what_is_fixed_stays_to_the_last_bit() -> None:
    start, free = drawn(), torch.rand(B, N, H, A) > 0.5
    found = GradientSteps(steps=3)(start, Scene(), quadratic, free)
    assert torch.equal(found[~free], start[~free]) and (found[free] != start[free]).all()


def test_each_candidate_follows_its_own_energy() -> None:
    goals = torch.randn(B, N, 1, 1, dtype=torch.float64)
    found = GradientSteps(steps=1, step=1.0)(drawn(), Scene(), lambda c, s: 0.5 * (c - goals).square().sum((2, 3)))
    torch.testing.assert_close(found, goals.expand(B, N, H, A))


def test_a_chunk_whose_energy_rises_stays_as_it_was_drawn() -> None:
    """Beyond 2/k steps diverge."""
    start = drawn()
    assert torch.equal(GradientSteps(steps=3, step=2.1 / STIFF)(start, Scene(), quadratic), start)
    best = torch.full_like(start, TARGET)
    assert torch.equal(GradientSteps(steps=3)(best, Scene(), quadratic), best)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["value", "slope"])
@pytest.mark.parametrize("steps", [1, 2])
def test_an_energy_that_is_no_number_moves_nothing_and_says_so_once(
    wrong: float, where: str, steps: int, monkeypatch, caplog
) -> None:
    """For the second observation only."""
    monkeypatch.setattr(gradient_file, "_told", [])
    bad = torch.tensor([0.0, 1.0], dtype=torch.float64)[:, None]

    def energy(chunks: Tensor, scene: Scene) -> Tensor:
        usual = quadratic(chunks, scene)
        far = (chunks - start).abs().sum((2, 3)) > 0 if where == "slope" else True
        return usual * torch.where((bad > 0) & far, wrong, 1.0)

    start = drawn()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            found = GradientSteps(steps=steps, step=0.1)(start, Scene(), energy)
            assert torch.equal(found[1], start[1])
            assert (found[0] != start[0]).all()
    assert [record.message.startswith("refinement.type=gradient: the energy of") for record in caplog.records] == [True]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"steps": -1}, r"refinement\.steps = -1: must be at least 0"),
        ({"step": math.nan}, r"refinement\.step = nan: must be a number of at least 0"),
        ({"anchor": -0.1}, r"refinement\.anchor = -0\.1: must be a number"),
        ({"reach": 0.0}, r"refinement\.reach = 0\.0: must be above 0, or null"),
        ({"of": "all"}, r"refinement\.of = 'all': legal are 'candidates', 'chosen'"),
    ],
)
def test_illegal_fields_are_named(fields: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        GradientSteps(**fields)
