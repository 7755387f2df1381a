"""What `benchmarks.choosing` measures with."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import choosing
from benchmarks.obstacle_scenes import Run
from lerobot_dp_plus import load_policy


def test_jerk_is_the_second_difference_of_what_was_executed() -> None:
    steps = np.arange(6.0)
    assert choosing.jerk(np.stack([3 * steps, 7 - steps], 1)) == pytest.approx(0), "straight at one speed"
    assert choosing.jerk(np.stack([1.5 * steps**2, 2 * steps**2], 1)) == pytest.approx(5.0), "(3, 4) each step"
    assert choosing.jerk(np.stack([steps % 2, 0 * steps], 1)) == pytest.approx(2.0), "to and fro"
    assert choosing.jerk(np.zeros((2, 2))) == 0


def test_figures_of_a_rule_are_those_of_its_episodes() -> None:
    straight = np.stack([np.arange(12.0), np.zeros(12)], 1)
    runs = [Run(np.zeros((12, 10, 2)), True, 1.0, straight, 2), Run(np.zeros((8, 10, 2)), False, 0.5, straight[:8], 3)]
    found = choosing.measured(runs, 8)
    assert (found["success"]["count"], found["success"]["of"], found["score"]) == (1, 2, 0.75)
    assert found["steps"] == 10 and found["executed_steps_a_chunk"] == 20 / 5
    assert found["network_calls_an_episode"] == 8 * 2.5 and found["jerk_px"] == pytest.approx(0)


def test_every_rule_can_be_switched_on() -> None:
    folder = choosing.ROOT / "hub_cards" / "pusht_state"
    for name in ("ranked, agreement of 10 px", "first, ensemble, m 0.01, radius", "coherent, 2 steps"):
        load_policy(folder, **choosing.switches(choosing.RULES[name], None))
    weak = choosing.switches(choosing.RULES["bidirectional, 2 steps"], Path("somewhere"))
    assert load_policy(folder, **weak).policy.config.selection.weak == "somewhere"


def test_two_steps_of_an_ensemble_are_counted() -> None:
    made = load_policy(choosing.ROOT / "hub_cards" / "pusht_state", **choosing.RULES["first, ensemble, m 0.01"])
    (found,), seconds = choosing.run(made, [100000], steps=3)
    assert found.chunks == 3 and found.actions.shape == (3, 2) and seconds > 0
