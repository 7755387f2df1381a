"""A policy that is watched, and one that executes as long as its candidates agree."""

from dataclasses import replace

import pytest
import torch
from tiny import BATCH, STATE, config, frame, policy

from lerobot_dp_plus.auxiliary import Outcome
from lerobot_dp_plus.execution import Agreement, Fixed
from lerobot_dp_plus.selection import Coherent, Densest, First
from lerobot_dp_plus.surprise import Calibration, Monitor, Usual, side_by_side

AFFINE = {"observation.state": (torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor(2.0)), "action": (5.0, 100.0)}


def watched(**fields):
    """A tiny policy with weights at random that knows its units, and a dynamics model if asked for; nothing is clipped."""
    made = policy(**{"selection": Densest(4), "n_action_steps": 3, **fields}).eval()
    made.model.units.learn(AFFINE)
    for weight in made.model.parameters():
        weight.data += 0.1 * torch.randn_like(weight)
    made.ema.module.load_state_dict(made.model.state_dict())
    made.config.objective = replace(made.config.objective, clip_range=None)
    return made


def frames(made, count):
    return [frame(made.config) for _ in range(count)]


def test_the_distance_is_that_of_the_rest_of_the_plan_to_the_nearest_candidate():
    made = watched()
    monitor, signals, plans = Monitor("distance"), [], []
    for one in frames(made, 7):
        made.select_action(one)
        signals.append(monitor.see(made))
        plans.append((made.chosen.chunks[:, 0], made.episode.replan.proposed.chunks))
    assert [signal.surprise is not None for signal in signals] == [False, False, False, True, False, False, True]
    for step in (3, 6):
        tail, proposed = 100 * plans[step - 1][0][:, 3:], 100 * plans[step][1]
        rows = (proposed[:, :, : tail.shape[1]] - tail[:, None]).square().sum(-1)
        torch.testing.assert_close(signals[step].surprise, rows.mean(-1).min(1).values.sqrt())
        assert (signals[step].surprise > 0).all()
    assert not any(signal.alarm.any() for signal in signals) and signals[0].alarm.shape == (BATCH,)


def test_an_episode_that_forgets_its_plan_has_no_surprise():
    made, monitor = watched(), Monitor("distance")
    for begin in (made.reset, made.drop_queued_actions):
        signals = []
        for one in frames(made, 4):
            made.select_action(one)
            signals.append(monitor.see(made).surprise)
        assert any(surprise is not None for surprise in signals)
        begin()
        made.select_action(frame(made.config))
        assert monitor.see(made).surprise is None and made.episode.replan.before is None


def test_no_chunk_no_signal():
    made = watched()
    with pytest.raises(ValueError, match="call select_action first"):
        Monitor().see(made)
    with pytest.raises(ValueError, match="call select_action first"):
        made.evidence()
    with pytest.raises(ValueError, match="scorer = 'guess': legal are next_state, expectation, distance"):
        Monitor("guess")


@pytest.mark.parametrize("scorer", ["distance", "expectation", "next_state"])
def test_watching_changes_no_action(scorer):
    made = watched(dynamics=Outcome(steps=6, dim=8, depth=1))
    seen, actions = frames(made, 8), []
    for monitor in (None, Monitor(scorer, Usual.fit(torch.randn(50, 2 * 4)))):
        torch.manual_seed(3)
        made.reset()
        actions.append([])
        for one in seen:
            actions[-1].append(made.select_action(one))
            if monitor is not None:
                monitor.see(made)
    torch.testing.assert_close(actions[0], actions[1], rtol=0, atol=0)


def test_a_policy_with_one_candidate_draws_them_for_the_monitor():
    made = watched(selection=First())
    for one in frames(made, 4):
        made.select_action(one)
    assert made.evidence().candidates.chunks.shape[1] == 1
    evidence = made.evidence(6)
    assert evidence.candidates.chunks.shape == (BATCH, 6, made.config.chunk_length, 2)
    torch.testing.assert_close(evidence.tail, 5 + 100 * made.episode.replan.tail)


def test_the_unexpected_is_what_the_dynamics_model_did_not_say_at_the_plan_before():
    made = watched(dynamics=Outcome(steps=6, dim=8, depth=1))
    seen = frames(made, 4)
    for one in seen:
        made.select_action(one)
        if one is seen[0]:
            plan = made.chosen.chunks[:, 0]
    model = made.ema.module
    window = {key: torch.stack([seen[0][key]] * 2, 1) for key in STATE}
    expected = model.auxiliary["dynamics"](window, plan, model.units)[:, 3 - 1]
    found = made.evidence().unexpected
    torch.testing.assert_close(found, seen[3]["observation.state"] - expected)
    assert found.abs().max() > 0.01
    made = watched()
    for one in frames(made, 4):
        made.select_action(one)
    assert made.evidence().unexpected is None, "there is no dynamics model"


def test_the_next_state_is_expected_from_step_to_step():
    made = watched(dynamics=Outcome(steps=6, dim=8, depth=1))
    monitor, seen, model = Monitor("next_state"), frames(made, 5), made.ema.module
    plans, surprises = [], []
    for one in seen:
        made.select_action(one)
        surprises.append(monitor.see(made).surprise)
        plans.append(made.chosen.chunks[:, 0])
    assert surprises[0] is None
    for step, given in ((1, 0), (2, 1), (3, 2), (4, 0)):  # a chunk lasts 3 steps
        pair = [seen[max(step - 2, 0)]["observation.state"], seen[step - 1]["observation.state"]]
        window = {"observation.state": torch.stack(pair, 1)}
        expected = model.auxiliary["dynamics"](window, plans[step - 1][:, given:], model.units)[:, 0]
        error = seen[step]["observation.state"] - expected
        torch.testing.assert_close(surprises[step], error.square().mean(-1).sqrt())
    made.reset()
    made.select_action(seen[0])
    assert monitor.see(made).surprise is None, "another episode"
    made.drop_queued_actions()
    assert made.forecast() is None
    without = watched()
    without.select_action(seen[0])
    assert without.forecast() is None


def test_strangeness_is_told_at_every_step_in_the_units_of_the_data():
    made = watched()
    usual = Usual.fit(torch.randn(100, 8))
    monitor, seen = Monitor(usual=usual), frames(made, 3)
    for step, one in enumerate(seen):
        made.select_action(one)
        signal = monitor.see(made)
        pair = torch.stack([seen[max(step - 1, 0)]["observation.state"], one["observation.state"]], 1)
        physical = torch.tensor([1.0, 2.0, 3.0, 4.0]) + 2 * pair
        torch.testing.assert_close(signal.strangeness, usual.strangeness(side_by_side({"observation.state": physical})))


def test_what_is_above_a_threshold_alarms_and_other_settings_are_refused(tmp_path):
    made = watched()
    usual = Usual.fit(torch.randn(100, 8))
    limits = Calibration("distance", 0.05, "run", 1e9, 0.0, 39, usual=usual, settings=made.settings())
    limits.save(tmp_path)
    made.select_action(frame(made.config))
    assert Monitor.load(tmp_path).see(made).alarm.all(), "strangeness is above 0"
    assert not Monitor("distance", usual, replace(limits, strangeness=1e9)).see(made).alarm.any()
    made.config.n_action_steps = 2
    with pytest.raises(ValueError, match=r"n_action_steps = 2 \(calibrated 3\)"):
        Monitor.load(tmp_path).see(made)


def counted(made, steps):
    """How many steps each chunk was executed, over so many steps."""
    numbers, replan = [], None
    for one in frames(made, steps):
        made.select_action(one)
        if made.episode.replan is not replan:
            numbers.append(0)
            replan = made.episode.replan
        numbers[-1] += 1
    return numbers


def test_execution_follows_the_spread_of_the_candidates():
    made = watched(n_action_steps=4)
    assert made.config.execution == Fixed() and counted(made, 8) == [4, 4]
    for spread, numbers in ((1e6, [4, 4]), (0.0, [2, 2, 2, 2])):
        made.config.execution = Agreement(spread=spread, min_steps=2)
        made.reset()
        assert counted(made, 8) == numbers


def test_the_next_chunk_is_told_how_far_the_plan_was_executed():
    made = watched(n_action_steps=4, selection=Coherent(4), execution=Agreement(spread=0.0, min_steps=2))
    for one in frames(made, 2):
        made.select_action(one)
    plan = made.chosen.chunks[:, 0]
    made.select_action(frame(made.config))
    replan = made.episode.replan
    assert replan.executed == 2 and torch.equal(replan.tail, plan[:, 2:])


def test_with_agreement_of_everything_actions_are_those_of_fixed_execution():
    made = watched(n_action_steps=4)
    seen, actions = frames(made, 9), []
    for execution in (Fixed(), Agreement(spread=1e9)):
        made.config.execution = execution
        made.reset()
        torch.manual_seed(1)
        actions.append(torch.stack([made.select_action(one) for one in seen]))
    assert torch.equal(*actions)


def test_a_config_whose_candidates_cannot_disagree_is_refused():
    with pytest.raises(ValueError, match="of 1 candidates it leaves 1"):
        config(execution=Agreement())
    with pytest.raises(ValueError, match=r"execution\.min_steps = 5: must be at most n_action_steps = 3"):
        config(execution=Agreement(min_steps=5), selection=Densest(4))


def test_candidates_are_compared_only_in_units():
    made = policy(selection=Densest(4), execution=Agreement())
    with pytest.raises(ValueError, match="does not know its data's units"):
        made.select_action(frame(made.config))
