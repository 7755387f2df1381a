"""`benchmarks.wishes`: goals are where they should be, and what is counted is what happened."""

import json
import math

import numpy as np
import pytest

from benchmarks import wishes
from lerobot_dp_plus.steering.session import REACHED


def test_goals_are_equally_far_and_inside() -> None:
    rng = np.random.default_rng(0)
    for seed in range(50):
        agent = rng.uniform(20, 490, 2)
        place = wishes.goal(seed, agent)
        assert math.dist(place, agent) == pytest.approx(wishes.AWAY)
        assert all(15 <= value <= 497 for value in place)
        assert place == wishes.goal(seed, agent)


def test_what_is_measured_is_written(tmp_path) -> None:
    file = tmp_path / "wishes.json"
    assert wishes.main(["--episodes", "2", "--steps", "7", "--ways", "guided", "ranking", "--json", str(file)]) == 0
    result = json.loads(file.read_text())["result"]
    assert list(result) == ["guided", "ranking"]
    for each in result.values():
        assert each["of"] == 2 and 0 <= each["reached"] <= 2
        assert (each["median_steps"] is None) == (each["reached"] == 0)
        if each["reached"] == 2:
            assert each["median_nearest_px"] <= REACHED
    assert result["guided"]["median_nearest_px"] < wishes.AWAY / 2
