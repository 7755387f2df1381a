"""Demonstrations on MetaWorld's table: what is recorded, in turn, and counted."""

import numpy as np
import pytest

pytest.importorskip("metaworld")

from lerobot.datasets import LeRobotDataset

from lerobot_dp_plus.demos.metaworld import write_metaworld_demos
from lerobot_dp_plus.demos.metaworld_episodes import PUCKS, Recipe, generate


def test_an_episode_of_pucks_depends_on_its_numbers_alone():
    recipe = Recipe(PUCKS, images=True, size=32)
    first = generate(recipe, 4)
    generate(recipe, 5)
    again = generate(recipe, 4)
    assert first["success"] and first["image"].shape == (len(first["action"]), 32, 32, 3)
    for name, value in first.items():
        np.testing.assert_array_equal(value, again[name])
    assert first["gaze"].min() > 0 and first["gaze"][:, :2].max() < 1 and abs(first["action"]).max() <= 1


def test_a_dataset_of_two_tasks_in_turn(tmp_path):
    recipe = Recipe("drawer-open-v3,drawer-close-v3", disturbed=1.0)
    provenance = write_metaworld_demos(tmp_path / "drawers", recipe, 2, workers=1)
    assert provenance["attempted"] >= 2 and provenance["succeeded"] == provenance["episodes"] == 2
    dataset = LeRobotDataset("dp_plus/metaworld", root=tmp_path / "drawers")
    tasks = list(dataset.meta.tasks.index)
    assert len(tasks) == 2 and "open a drawer" in tasks[0] and "close a drawer" in tasks[1] and dataset.fps == 80
    item = dataset[len(dataset) - 1]
    assert item["observation.environment_state"].shape == (17,) and item["observation.gaze"].shape == (3,)
    assert item["next.success"] and item["next.done"] and not dataset[0]["next.success"]


@pytest.mark.parametrize("fields, message", [
    ({"task": "fly"}, "env.task='fly': legal are mt10"),
    ({"task": PUCKS, "seed": -1}, "seed=-1: legal are"),
    ({"task": PUCKS, "ambiguous": 2.0}, "ambiguous=2.0: legal are shares"),
    ({"task": "mt10", "camera": "back"}, "camera='back': legal are corner2, near"),
    ({"task": "mt10", "size": 4}, "size=4: legal are 16 to 1024"),
])  # fmt: skip
def test_illegal_recipes_are_named(fields, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**fields)
