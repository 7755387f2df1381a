"""`dp-plus demos aloha`: the dataset is what was simulated, failures are counted, interruptions do not matter."""

import json

import numpy as np
import pytest
from lerobot.datasets.lerobot_dataset import LeRobotDataset

from lerobot_dp_plus.demos import aloha, aloha_episodes
from lerobot_dp_plus.demos.aloha import main, summary, write_aloha_demos
from lerobot_dp_plus.demos.aloha_episodes import Recipe, environment_seed, generate, generate_file
from lerobot_dp_plus.demos.aloha_replay import Episode
from lerobot_dp_plus.environments.aloha_lite import AlohaLite

STATE_ONLY = Recipe(task="transfer_cube", camera="none", environment_state=True)


def short_episode(recipe: Recipe, index: int) -> Episode:
    """Stands in for the expert where only book-keeping is tested; every third attempt fails."""
    rng = np.random.default_rng([recipe.seed, index])
    reward = np.array([0, 2, 0 if index % 3 == 1 else 4, 4])[: 3 if index % 3 == 1 else 4]
    length = len(reward)
    return Episode(
        action=rng.normal(size=(length, 14)).astype(np.float32),
        state=rng.normal(size=(length, 14)),
        objects=rng.normal(size=(length, 7)),
        reward=reward,
        completed=reward == 4,
    )


def test_dataset_is_what_was_simulated_frame_by_frame(tmp_path):
    root = tmp_path / "demos"
    arguments = ["--task=transfer_cube", "--episodes=1", f"--root={root}", "--resolution=48x64", "--workers=1"]
    assert main([*arguments, "--environment-state"]) == 0
    recipe = Recipe(task="transfer_cube", height=48, width=64, look="lite", environment_state=True)
    episode = generate(recipe, 0)
    dataset = LeRobotDataset("tests/aloha", root=root, video_backend="pyav")
    assert dataset.fps == 50 and len(dataset) == len(episode)

    env = AlohaLite("transfer_cube", observation_height=48, observation_width=64)
    seen, _ = env.reset(seed=environment_seed(recipe, 0))
    worst, moving = 0.0, []
    for step, action in enumerate(episode.action):
        item = dataset[step]
        np.testing.assert_array_equal(item["observation.state"].numpy(), seen["agent_pos"].astype(np.float32))
        objects = env.physics.objects.astype(np.float32)
        np.testing.assert_array_equal(item["observation.environment_state"].numpy(), objects)
        np.testing.assert_array_equal(item["action"].numpy(), action)
        picture = seen["pixels"]["top"].astype(np.float32)
        video = item["observation.images.top"].numpy().transpose(1, 2, 0) * 255
        worst = max(worst, float(np.abs(video - picture).mean()))
        moving.append(picture)
        seen, reward, *_ = env.step(action)
        assert item["next.reward"] == reward and bool(item["next.success"]) == (reward == 4)
        assert bool(item["next.done"]) == (step == len(episode) - 1)
    assert worst < 3.0, "a frame of the video is not the frame that was seen"
    # The tolerance can tell frames apart: pictures a second apart differ by more.
    assert np.mean([np.abs(a - b).mean() for a, b in zip(moving[:-50], moving[50:], strict=True)]) > 3.0
    note = json.loads((root / "provenance.json").read_text())
    assert (note["look"], note["height"], note["attempted"], note["dropped"]) == ("lite", 48, 1, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["demos"]


def test_failures_are_dropped_and_counted(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(aloha_episodes, "generate", short_episode)
    root = tmp_path / "demos"
    note = write_aloha_demos(root, STATE_ONLY, episodes=4, workers=1)
    # Attempts 0 2 3 succeed among the first four, 1 fails; 4 fails as well, 5 makes the fourth.
    assert (note["attempted"], note["dropped"], note["succeeded"], note["completed"]) == (6, 2, 4, 4)
    assert note["succeeded_interval_percent"] == [30.0, 90.3]  # Wilson's interval of 4 of 6
    assert "succeeded: 4 of 6 attempts, 66.7 % (30.0–90.3 %)" in summary(note)
    assert summary(note) in capsys.readouterr().out
    dataset = LeRobotDataset("tests/aloha", root=root)
    assert dataset.num_episodes == 4
    kept = np.concatenate([short_episode(STATE_ONLY, index).action for index in (0, 2, 3, 5)])
    np.testing.assert_array_equal(np.stack([dataset[i]["action"].numpy() for i in range(len(dataset))]), kept)

    assert write_aloha_demos(root, STATE_ONLY, episodes=4, workers=1) == note  # complete already
    with pytest.raises(FileExistsError, match=r"was written with \{'seed': 0\}"):
        other = Recipe(task="transfer_cube", seed=1, camera="none", environment_state=True)
        write_aloha_demos(root, other, episodes=4, workers=1)


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(aloha_episodes, "generate", short_episode)
    whole = write_aloha_demos(tmp_path / "whole", STATE_ONLY, episodes=4, workers=1)

    played = []

    def interrupted(recipe, index, folder):
        if index == 3 and not played.count(3):
            played.append(3)
            raise KeyboardInterrupt
        played.append(index)
        return generate_file(recipe, index, folder)

    monkeypatch.setattr(aloha, "generate_file", interrupted)
    root = tmp_path / "demos"
    with pytest.raises(KeyboardInterrupt):
        write_aloha_demos(root, STATE_ONLY, episodes=4, workers=1)
    assert not root.exists()
    other = Recipe(task="insertion", camera="none", environment_state=True)
    with pytest.raises(FileExistsError, match="unfinished run"):
        write_aloha_demos(root, other, episodes=4, workers=1)
    calls = []
    monkeypatch.setattr(aloha_episodes, "generate", lambda *a: calls.append(a[1]) or short_episode(*a))
    assert write_aloha_demos(root, STATE_ONLY, episodes=4, workers=1) == whole
    assert calls == [3, 4, 5], "episodes kept before the interruption are not played again"
    one, two = (LeRobotDataset("tests/aloha", root=tmp_path / name) for name in ("whole", "demos"))
    assert len(one) == len(two)
    assert all((one[i]["action"] == two[i]["action"]).all() for i in range(len(one)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demos", "whole"]


@pytest.mark.parametrize("unstable", [False, True])
def test_an_expert_that_fails_too_often_is_reported(tmp_path, monkeypatch, unstable):
    def fail(recipe: Recipe, index: int) -> Episode:
        if unstable:
            raise FloatingPointError("the ALOHA simulation became unstable")
        return short_episode(recipe, 1)

    monkeypatch.setattr(aloha_episodes, "generate", fail)
    with pytest.raises(RuntimeError, match="only 0 of 22 episodes succeeded"):
        write_aloha_demos(tmp_path / "demos", STATE_ONLY, episodes=1, workers=1)
    assert not (tmp_path / "demos").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--episodes=0"], "episodes=0"),
        (["--workers=0"], "workers=0"),
        (["--seed=-1"], "seed=-1"),
        (["--resolution=8x64"], "height=8: legal are 16 to 2048 pixels"),
    ],
)
def test_bad_arguments_are_named(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        main(["--task=insertion", "--episodes=1", f"--root={tmp_path / 'demos'}", *arguments])
    assert list(tmp_path.iterdir()) == []


def test_a_malformed_resolution_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--task=insertion", f"--root={tmp_path}", "--resolution=480"])
    assert "HEIGHTxWIDTH" in capsys.readouterr().err


def test_a_dataset_without_pictures_needs_the_objects():
    with pytest.raises(ValueError, match="environment_state=False with cameras='none'"):
        Recipe(task="insertion", camera="none")
