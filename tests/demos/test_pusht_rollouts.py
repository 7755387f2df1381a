"""`dp-plus demos pusht_rollouts`: which of the episodes are kept, and what is noted of the others."""

import json

import numpy as np
import pytest
from fabricated import restless
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.datasets.lerobot_dataset import LeRobotDataset

from lerobot_dp_plus.demos import pusht_rollouts
from lerobot_dp_plus.demos.pusht_rollouts import Played, Player, main


def record(seed: int) -> dict[str, np.ndarray]:
    """Four steps that tell from which seed they are."""
    return {
        "agent": np.full((4, 2), seed % 512),
        "block": np.full((4, 3), 1.0),
        "action": np.full((4, 2), seed % 512),
        "coverage": np.array([0.1, 0.2, 0.3, 0.97]),
    }


@pytest.fixture
def every_second_succeeds(monkeypatch):
    def play(player, seeds, candidates, disturbed):
        return [Played(seed % 2 == 1, record(seed)) for seed in seeds]

    monkeypatch.setattr(pusht_rollouts, "Player", lambda checkpoint, seed: None)
    monkeypatch.setattr(pusht_rollouts, "play", play)


def test_the_first_successes_are_kept_and_counted(tmp_path, every_second_succeeds, capsys):
    root = tmp_path / "best"
    assert main(["--policy", "some/policy", "--root", str(root), "--episodes", "3", "--seed", "10"]) == 0
    assert "3 episodes kept, 3 of 6 dropped as failures" in capsys.readouterr().out
    note = json.loads((root / "provenance.json").read_text())
    assert note["generator"] == "lerobot_dp_plus.demos.pusht_rollouts" and note["policy"] == "policy"
    assert (note["episodes"], note["attempted"], note["dropped"], note["mean_steps"]) == (3, 6, 3, 4.0)
    assert (note["seed"], note["candidates"], note["disturbed"]) == (10, 16, 0.1)
    dataset = LeRobotDataset("tests/best", root=root)
    assert [float(dataset[index]["action"][0]) for index in (0, 4, 8)] == [11, 13, 15]
    assert bool(dataset[3]["next.success"]) and not bool(dataset[2]["next.success"])


def test_bad_input_is_named(tmp_path, every_second_succeeds, capsys):
    def error(*arguments: str) -> str:
        assert main(["--policy", "some/policy", "--root", str(tmp_path / "new"), *arguments]) == 2
        return capsys.readouterr().err

    assert "episodes=0, candidates=16: legal are integers from 1" in error("--episodes", "0")
    assert "disturbed=2.0" in error("--disturbed", "2")
    assert "where reporting begins" in error("--seed", "100000")
    assert "already exists" in error("--root", str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_policy_sees_frames_as_far_apart_as_in_its_training(tmp_path):
    """Its processors take what lies in [−1, 1] as it is, so the frames do."""
    inputs = {
        "observation.state": PolicyFeature(FeatureType.STATE, (2,)),
        "observation.environment_state": PolicyFeature(FeatureType.ENV, (16,)),
    }
    policy = restless(tmp_path / "policy", inputs, 2, 0.3, observation_stride=2)

    def proposed(*places: float) -> np.ndarray:
        frames = [{key: np.full(feature.shape, place) for key, feature in inputs.items()} for place in places]
        player = Player(policy, seed=0)
        assert player.remembered == len(frames)
        return player.propose([frames], 4)

    usual = proposed(0.1, 0.2, 0.3)
    assert usual.shape == (1, 4, 7, 2) and len(np.unique(usual)) > 10
    assert np.array_equal(proposed(0.1, 0.9, 0.3), usual), "the one between is not of its window"
    assert not np.array_equal(proposed(0.7, 0.2, 0.3), usual) and not np.array_equal(proposed(0.1, 0.2, 0.8), usual)
