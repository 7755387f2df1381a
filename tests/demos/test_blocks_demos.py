"""Demonstrations with sentences: columns, shares, and that what was recorded leads to what was said."""

import json

import numpy as np
import pytest
from lerobot.datasets import LeRobotDataset

from lerobot_dp_plus.auxiliary import SUBTASKS_FILE
from lerobot_dp_plus.demos.blocks import write_blocks_demos
from lerobot_dp_plus.demos.blocks_episodes import FIRST_SEED, Recipe, environment_seed, generate
from lerobot_dp_plus.demos.writer import write_dataset
from lerobot_dp_plus.environments.blocks import FPS, Blocks
from lerobot_dp_plus.environments.sentences import COLOURS


def test_an_episode_depends_on_its_numbers_alone_and_the_expert_succeeds():
    recipe = Recipe(images=True, size=16)
    records = [generate(recipe, index) for index in range(40)]
    for name, value in generate(recipe, 3).items():
        np.testing.assert_array_equal(value, records[3][name])
    assert all(record["success"] for record in records)
    for record in records:
        length = len(record["action"])
        assert record["image"].shape == (length, 16, 16, 3) and record["gaze"].shape == (length, 3)
        target = int(record["target"])
        np.testing.assert_array_equal(record["gaze"][:, :2], record["objects"].reshape(length, 3, 5)[:, target, :2])


def test_undisturbed_actions_play_the_same_episode_again():
    recipe = Recipe(disturbed=0.0)
    for index in range(5):
        record = generate(recipe, index)
        env = Blocks("environment_state_agent_pos")
        env.reset(seed=environment_seed(recipe, index))
        for action, state in zip(record["action"], record["state"], strict=True):
            np.testing.assert_array_equal(env.agent_pos, state)
            env.step(action)
        assert env.delivered == record["target"]


def test_shares_are_kept():
    records = [generate(Recipe(ambiguous=0.5, seed=1), index) for index in range(120)]
    vague = sum(not any(word in str(record["task"]) for word in ("red", "green", "blue")) for record in records)
    assert 40 <= vague <= 95  # half of them, and those that are named by their shape
    assert {int(record["target"]) for record in records} == {0, 1, 2}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "blocks"
    provenance = write_blocks_demos(root, Recipe(images=True, size=16), 6, workers=1)
    return LeRobotDataset("dp_plus/blocks", root=root), provenance


def test_the_dataset_has_a_sentence_for_every_episode(written):
    dataset, provenance = written
    assert provenance["episodes"] == 6 and provenance["generator"].endswith("blocks") and provenance["images"]
    row = 0
    for index in range(6):
        record = generate(Recipe(images=True, size=16), index)
        for step in range(len(record["action"])):
            item = dataset[row]
            assert item["task"] == str(record["task"])
            for name, key in {"state": "state", "objects": "environment_state", "gaze": "gaze"}.items():
                np.testing.assert_allclose(item[f"observation.{key}"], record[name][step], atol=1e-6)
            picture = (item["observation.image"] * 255).round().byte().permute(1, 2, 0).numpy()
            np.testing.assert_array_equal(picture, record["image"][step])
            row += 1
    assert row == len(dataset)


def test_the_part_of_the_task_is_known_for_every_step(written):
    """Reaching until the thing is held, then carrying; in the file as one row for each part, when it begins."""
    dataset, _ = written
    parts = json.loads((dataset.root / SUBTASKS_FILE).read_text())
    assert list(parts) == [str(index) for index in range(6)]
    for index in range(6):
        record = generate(Recipe(images=True, size=16), index)
        thing = f"the {COLOURS[int(record['target'])]} one"
        assert set(record["subtask"]) <= {f"reach for {thing}", f"carry {thing} to the tray", "let go"}
        first = record["subtask"].tolist().index(f"carry {thing} to the tray")
        assert record["action"][first - 1, 2] == 1 and record["state"][first, 2] == 1, "closed by the step before"
        begins, said = zip(*parts[str(index)], strict=True)
        steps = [round(begin * FPS) for begin in begins]
        assert steps[0] == 0 and first in steps
        assert list(said) == [record["subtask"][step] for step in steps]
        assert np.repeat(said, np.diff([*steps, len(record["subtask"])])).tolist() == record["subtask"].tolist()


def test_scenes_of_demonstrations_are_none_of_those_reported_on():
    for index in (0, 10**6):
        assert FIRST_SEED <= environment_seed(Recipe(seed=9), index) < 90_000


@pytest.mark.parametrize("fields", [{"seed": -1}, {"ambiguous": 1.5}, {"disturbed": -0.1}])
def test_illegal_recipes_are_named(fields):
    ((name, value),) = fields.items()
    with pytest.raises(ValueError, match=f"{name}={value}: legal are"):
        Recipe(**fields)


def test_an_episode_without_a_sentence_is_refused(tmp_path):
    features = {"action": {"dtype": "float32", "shape": (1,), "names": None}}
    episode = {"action": np.zeros((3, 1), np.float32)}
    with pytest.raises(ValueError, match="episode 0: its task is None; must be a sentence"):
        write_dataset(tmp_path / "made", "made/up", 10, features, [episode], None)
    assert not (tmp_path / "made").exists()
