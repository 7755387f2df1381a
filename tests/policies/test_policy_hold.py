"""A policy that looks often and holds its plan, and a person who gives one."""

import copy

import pytest
import torch
from test_policy_ask import forked
from test_policy_watching import watched
from tiny import HORIZON, config, frame

from lerobot_dp_plus.energies import Bounds, Energies, Goal
from lerobot_dp_plus.execution import Ensemble
from lerobot_dp_plus.policies.settling import KEPT, VIOLATION
from lerobot_dp_plus.projection import Kaczmarz
from lerobot_dp_plus.selection import Ask, HoldMode
from lerobot_dp_plus.units import ACTION

N = 4
TOWARDS = Energies(goal=Goal(weight=1, target=(40.0, 40.0)))
LENGTH = HORIZON - 1


def holding(steps: int = 2, count: int = N, energies=TOWARDS, **fields):
    """A tiny policy that looks every `steps` steps; unless said otherwise nothing but the plan is ever near or better."""
    rule = HoldMode(count, energy="goal", **{"radius": 0.0, "margin": 1e6, **fields.pop("rule", {})})
    return watched(selection=rule, energies=energies, n_action_steps=steps, **fields)


def acted(made, count: int) -> torch.Tensor:
    """The actions (count, B, A) of an episode in which always something else is seen."""
    torch.manual_seed(3)
    made.reset()
    return torch.stack([made.select_action(frame(made.config)) for _ in range(count)])


def test_a_plan_is_executed_until_too_little_of_it_is_left() -> None:
    made = holding()
    actions = acted(made, 2)
    plan = made.chosen.chunks[:, 0]
    whole = LENGTH // 2 * 2
    rest = torch.stack([made.select_action(frame(made.config)) for _ in range(whole - 2)])
    torch.testing.assert_close(torch.cat([actions, rest]).transpose(0, 1), plan[:, :whole])
    made.select_action(frame(made.config))
    assert (made.episode.planned == LENGTH).all()
    assert made.episode.replan.chosen.chunks.shape == plan[:, None].shape
    assert (made.chosen.chunks[:, 0, 0] != plan[:, -1]).any(), "the choice is free, and falls on what was drawn"


def test_with_no_margin_it_is_the_lowest_energy_of_what_is_drawn_and_planned() -> None:
    made = holding(rule={"near_margin": 0.0, "margin": 0.0})
    acted(made, 3)
    energies, chosen = made.episode.replan.proposed.energies["goal"], made.chosen.energies["goal"]
    assert (chosen[:, 0] <= energies.amin(1) + 1e-4).all()


def test_the_plan_is_no_candidate_for_those_who_watch() -> None:
    made = holding()
    acted(made, 3)
    assert made.episode.replan.proposed.chunks.shape[1] == N
    assert (made.episode.planned == LENGTH - 2).all()


def test_the_plan_is_judged_from_where_it_is_now() -> None:
    made = holding()
    acted(made, 2)
    plan = made.model.units.physical(ACTION, made.chosen.chunks)
    made.select_action(frame(made.config))
    gone_on = torch.cat([plan[:, :, 2:], plan[:, :, -1:].expand(-1, -1, 2, -1)], 2)
    torch.testing.assert_close(made.model.units.physical(ACTION, made.chosen.chunks), gone_on)
    half_square = (gone_on[:, :, -1] - torch.tensor([40.0, 40.0])).square().sum(-1) / 2
    torch.testing.assert_close(made.chosen.energies["goal"], half_square)


def judged_after(made, monkeypatch) -> list[int]:
    """After how many steps each of the next choices judges its candidates."""
    told, draw = [], made._candidates
    monkeypatch.setattr(
        made, "_candidates", lambda recipe, *given: told.append(recipe.executed) or draw(recipe, *given)
    )
    return told


def test_chunks_are_judged_where_the_plan_is_used_up(monkeypatch) -> None:
    made = holding(steps=2)
    told = judged_after(made, monkeypatch)
    acted(made, 9)
    assert told == [6, 4, 2, 6, 4], "seven steps are planned, two done at a time"
    made.release()
    acted_on = [made.select_action(frame(made.config)) for _ in range(2)]
    assert told[-1] == 6 and len(acted_on) == 2


def test_where_nothing_is_held_energies_look_as_far_as_the_policy_executes(monkeypatch) -> None:
    made = watched(n_action_steps=3)
    told = judged_after(made, monkeypatch)
    acted(made, 4)
    assert told == [3, 3]


def test_a_rule_that_the_plan_would_break_moves_it() -> None:
    anywhere = Bounds(weight=1, low=(-1e4, -1e4))
    made = holding(projection=Kaczmarz(), energies=Energies(goal=TOWARDS.goal, bounds=anywhere))
    acted(made, 2)
    plan = made.model.units.physical(ACTION, made.chosen.chunks)[:, 0]
    low = plan[..., 0].mean().item()
    bounds = Bounds(weight=1, low=(low, -1e3))
    made.config.energies = Energies(goal=TOWARDS.goal, bounds=bounds)
    made.select_action(frame(made.config))
    now = made.model.units.physical(ACTION, made.chosen.chunks)[:, 0]
    assert (now[..., 0] >= low - 1e-2).all() and (made.chosen.energies[VIOLATION] <= KEPT).all()
    assert (plan[:, 2:, 0] < low - 1e-2).any(), "it would have broken the rule"


def test_a_person_gives_the_plan_and_takes_it_back() -> None:
    made = holding()
    acted(made, 1)
    offered = made.candidates(frame(made.config), 8).chunks
    wanted = offered[:, 5]
    made.hold(wanted)
    actions = torch.stack([made.select_action(frame(made.config)) for _ in range(4)], 1)
    torch.testing.assert_close(made.model.units.physical(ACTION, actions), wanted[:, :4])
    made.release()
    made.select_action(frame(made.config))
    assert (made.model.units.physical(ACTION, made.chosen.chunks[:, 0, 0]) != wanted[:, 4]).any()
    assert (made.episode.planned == LENGTH).all()


def test_a_plan_may_be_given_before_the_first_step_and_to_whole_chunks() -> None:
    made = holding()
    wanted = made.candidates(frame(made.config), 8).chunks[:, 3]
    for act in (made.predict_action_chunk, lambda seen: made.select_action(seen)[:, None]):
        made.reset()
        made.hold(wanted)
        given = made.model.units.physical(ACTION, act(frame(made.config)))
        torch.testing.assert_close(given, wanted[:, : given.shape[1]])


def test_a_new_episode_and_dropped_actions_hold_nothing() -> None:
    made = holding()
    for forget in (made.reset, made.drop_queued_actions):
        acted(made, 2)
        before = made.chosen.chunks[:, 0]
        forget()
        made.select_action(frame(made.config))
        assert (made.chosen.chunks[:, 0, 0] != before[:, 2]).any() and (made.episode.planned == LENGTH).all()


def test_a_copy_goes_on_with_the_plan() -> None:
    made = holding()
    acted(made, 2)
    other = copy.deepcopy(made)
    torch.testing.assert_close(*(each.select_action(frame(made.config)) for each in (made, other)))


def test_a_person_is_asked_again_when_nothing_is_held(monkeypatch) -> None:
    rule = HoldMode(32, energy="goal", radius=0.0, margin=1e6)
    made = forked(watched(selection=Ask(rule), energies=TOWARDS, n_action_steps=2), monkeypatch, sides=(0.5,))
    draw = made._candidates
    alike = {"goal": torch.zeros(1, 32)}
    monkeypatch.setattr(made, "_candidates", lambda *given: draw(*given)._replace(energies=alike))
    asked = []
    made.ask = lambda each: asked.append(each) or 0
    one = {key: value[:1] for key, value in frame(made.config).items()}
    counts = []
    for _ in range(2 * (LENGTH // 2 * 2)):
        made.select_action(one)
        counts.append(len(asked))
    held = LENGTH // 2 * 2
    assert counts[0] == counts[held - 1] == 1 and counts[held] == counts[-1] == 2


def test_what_cannot_hold_says_so() -> None:
    made = holding()
    chunk = torch.zeros(3, LENGTH, 2)
    with pytest.raises(ValueError, match=rf"chunk has shape \(3, 2, 2\); must be \(B, {LENGTH}, 2\)"):
        made.hold(chunk[:, :2])
    with pytest.raises(ValueError, match="chunk: there is a NaN"):
        made.hold(chunk / 0)
    with pytest.raises(ValueError, match=r"selection.type = densest holds no plan; set selection.type=hold_mode"):
        watched().hold(chunk)
    with pytest.raises(ValueError, match=r"execution\.type = ensemble.*hold_mode"):
        config(selection=HoldMode(N, energy="goal"), energies=TOWARDS, n_action_steps=2, execution=Ensemble())
