"""Forks that are run with a policy that looks often."""

import numpy as np
import torch

from benchmarks import forks, holding
from benchmarks.common import ROOT
from lerobot_dp_plus import load_policy
from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.policies import planning
from lerobot_dp_plus.units import ACTION


def test_the_side_is_the_signed_distance_from_the_line() -> None:
    points = np.array([[256.0, 256.0], [266.0, 266.0], [100.0, 412.0], [246.0, 246.0]])
    np.testing.assert_allclose(holding.side(points), [0, 200**0.5, 0, -(200**0.5)])


def test_a_switch_is_counted_once_the_agent_is_on_the_other_side(monkeypatch) -> None:
    """A stand-in sends the agent along one side, and later to the other: that is one switch for each look there."""
    made = load_policy(str(ROOT / "hub_cards" / "pusht_state"), n_action_steps=2)
    looks = []

    def next_chunk(policy, episode, noise, executed):
        looks.append(1)
        start = np.array(forks.around(0)[:2])
        across = np.array([1.0, 1.0]) / 2**0.5 * (40 if len(looks) <= 5 else -40)
        goal = torch.tensor(start + across, dtype=torch.float32).expand(1, 7, 2)
        chunk = policy.model.units.normalised(ACTION, goal)
        episode.chosen, episode.replan = Candidates(chunk[:, None]), None
        return chunk

    monkeypatch.setattr(planning, "next_chunk", next_chunk)
    monkeypatch.setattr(planning, "steps_to_execute", lambda *_: 2)
    (found,) = holding.run(made, [0], steps=12)
    assert found["switches"] == 1 and not found["success"] and found["steps"] == 12 and 0 <= found["score"] < 1


def test_episodes_of_the_policy_itself_are_the_same_twice() -> None:
    made = load_policy(str(ROOT / "hub_cards" / "pusht_state"), n_action_steps=2, selection={"type": "hold_mode"})
    found = [holding.run(made, [0, 1], push=40.0, steps=14) for _ in range(2)]
    assert found[0] == found[1] and len(found[0]) == 2
    assert holding.run(made, [0, 1], steps=40) != holding.run(made, [0, 1], push=40.0, steps=40), "pushes do something"
