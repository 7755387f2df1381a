"""A policy that executes the mean of its chunks: which ones, from when on, and what it remembers as its plan."""

import pytest
import torch
from test_policy_watching import frames, watched
from tiny import HORIZON, config, frame, policy

from lerobot_dp_plus.energies import Energies, Obstacles
from lerobot_dp_plus.execution import Ensemble, Fixed
from lerobot_dp_plus.selection import Coherent, First

LENGTH = HORIZON - 1


def chosen_chunks(made, count: int):
    """Actions, and the chunks that the selection chose, before anything was blended."""
    actions, chunks = [], []
    for one in frames(made, count):
        actions.append(made.select_action(one))
        chunks.append(made.episode.plans[-1])
    return actions, chunks


def test_the_action_is_the_mean_over_the_chunks_that_planned_this_step() -> None:
    made = watched(execution=Ensemble(m=0.3), selection=First())
    actions, chunks = chosen_chunks(made, 10)
    for t in range(10):
        made_at = list(range(max(0, t - LENGTH + 1), t + 1))  # the oldest that still plans step t first
        weights = torch.tensor([-0.3 * i for i in range(len(made_at))]).exp()
        planned = torch.stack([chunks[s][:, t - s] for s in made_at])
        expected = (weights[:, None, None] * planned).sum(0) / weights.sum()
        torch.testing.assert_close(actions[t], expected)


def test_no_more_chunks_are_kept_than_asked_for() -> None:
    made = watched(execution=Ensemble(m=0.0, chunks=2), selection=First())
    actions, chunks = chosen_chunks(made, 5)
    for t in range(1, 5):
        torch.testing.assert_close(actions[t], (chunks[t][:, 0] + chunks[t - 1][:, 1]) / 2)
    assert len(made.episode.plans) == 2


def test_chunks_several_steps_apart() -> None:
    made = watched(execution=Ensemble(m=0.0, every=3), selection=First())
    actions, chunks = chosen_chunks(made, 9)
    torch.testing.assert_close(actions[4], (chunks[0][:, 4] + chunks[3][:, 1]) / 2)
    torch.testing.assert_close(actions[6], (chunks[0][:, 6] + chunks[3][:, 3] + chunks[6][:, 0]) / 3)
    assert torch.equal(actions[2], chunks[0][:, 2])


@pytest.mark.parametrize("begin", ["reset", "drop_queued_actions", "predict_action_chunk"])
def test_what_is_not_executed_is_forgotten(begin: str) -> None:
    made = watched(execution=Ensemble(m=0.0), selection=First())
    chosen_chunks(made, 4)
    getattr(made, begin)(*([frame(made.config)] if begin == "predict_action_chunk" else []))
    action = made.select_action(frame(made.config))
    assert len(made.episode.plans) == 1 and torch.equal(action, made.episode.plans[0][:, 0])


def test_the_limit_of_the_newest_is_replanning_at_every_step() -> None:
    seen, actions = None, []
    for fields in ({"execution": Ensemble(m=-300.0)}, {"execution": Fixed(), "n_action_steps": 1}):
        torch.manual_seed(0)
        made = watched(selection=First(), **fields)
        seen = seen or frames(made, 6)
        torch.manual_seed(1)
        actions.append(torch.stack([made.select_action(one) for one in seen]))
    assert torch.equal(*actions)


def test_the_plan_that_is_remembered_is_the_one_that_is_executed() -> None:
    made = watched(execution=Ensemble(m=0.0, every=2), selection=Coherent(4))
    one, two, three = frames(made, 3)
    made.select_action(one), made.select_action(two)
    made.select_action(three)
    replan, plans = made.episode.replan, made.episode.plans
    blended = made.chosen.chunks[:, 0]
    assert replan.chosen is made.chosen and not torch.equal(blended, plans[-1])
    torch.testing.assert_close(blended[:, : LENGTH - 2], (plans[0] + plans[1][:, : LENGTH - 2]) / 2)
    made.select_action(one), made.select_action(two)
    assert torch.equal(made.episode.replan.tail, blended[:, 2:])


def test_a_radius_takes_units() -> None:
    made = policy(execution=Ensemble(radius=5.0))
    made.select_action(frame(made.config))
    with pytest.raises(ValueError, match="does not know its data's units"):
        made.select_action(frame(made.config))


def test_a_mean_is_not_taken_of_ways_around_an_obstacle() -> None:
    rule = Energies(obstacles=Obstacles(weight=1.0))
    config(energies=rule)
    with pytest.raises(ValueError, match=r"execution\.type = ensemble: the mean of two chunks that pass an obstacle"):
        config(energies=rule, execution=Ensemble())
    config(energies=rule, execution=Ensemble(chunks=1))
