"""`dp-plus offline` on a policy of a real training: what is compared with what, and what is said of held-out episodes."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from lerobot_dp_plus.cli import entry
from lerobot_dp_plus.evaluation.folders import pretrained_folder
from lerobot_dp_plus.evaluation.moment import load
from lerobot_dp_plus.offline.draws import draw
from lerobot_dp_plus.offline.held_out import choose, trained_on
from lerobot_dp_plus.offline.offline import metadata

HORIZON, LENGTH = 8, 40


@pytest.fixture(scope="module")
def actions(states: Path) -> np.ndarray:
    """(E, T, 2), as written."""
    table = pd.concat(pd.read_parquet(file) for file in sorted((states / "data").rglob("*.parquet")))
    return np.stack(table["action"].to_numpy()).reshape(-1, LENGTH, 2)


def test_the_truth_is_what_was_done_at_these_moments(states: Path, trained: Path, actions: np.ndarray) -> None:
    folder = pretrained_folder(trained)
    loaded = load(folder)
    draws = draw(loaded, folder, metadata(str(states)), [4, 1], moments=1000, count=3)
    assert draws.chunks.shape == (2 * LENGTH, 3, HORIZON - 1, 2) and draws.seconds == 0.1
    assert sorted(set(draws.episode.tolist())) == [1, 4]
    for number in (1, 4):
        own = draws.episode == number
        done = actions[number]
        ahead = np.arange(LENGTH)[:, None] + np.arange(HORIZON - 1)
        assert np.array_equal(draws.valid[own], ahead < LENGTH)
        wanted = done[ahead.clip(max=LENGTH - 1)]
        np.testing.assert_allclose(draws.truth[own][draws.valid[own]], wanted[draws.valid[own]], atol=1e-4)
        np.testing.assert_allclose(draws.before[own][1:], done[:-1], atol=1e-4)


def test_draws_are_those_that_the_policy_makes_of_the_same_noise(states: Path, trained: Path) -> None:
    """The first moment of an episode by another way: its frame as the newest observation of a run that begins."""
    folder = pretrained_folder(trained)
    loaded = load(folder)
    draws = draw(loaded, folder, metadata(str(states)), [4], moments=1, count=3, seed=7)
    table = pd.concat(pd.read_parquet(file) for file in (states / "data").rglob("*.parquet"))
    first = table[(table.episode_index == 4) & (table.frame_index == 0)]["observation.state"].iloc[0]
    noise = torch.randn(1, 3, HORIZON, 2, generator=torch.Generator().manual_seed(7))
    observation = loaded.preprocess({"observation.state": torch.from_numpy(first.copy())[None]})
    found = loaded.policy.candidates(observation, 3, noise=noise)
    np.testing.assert_allclose(found.chunks.numpy(), draws.chunks, atol=1e-4)


def test_the_command_takes_the_held_out_episodes(states: Path, trained: Path, tmp_path: Path, capsys) -> None:
    ask = ["offline", str(trained), str(states), "--moments", "20", "--output", str(tmp_path)]
    assert entry.main(ask) == 0
    said = capsys.readouterr().out
    assert "Held out from the training: episode 4." in said and "error of one draw" in said
    told = json.loads((tmp_path / "offline.json").read_text())
    assert told["episodes"] == [4] and told["trained_on"] == 0 and told["moments"] == 20
    assert told["dimensions"] == ["x", "y"] and len(told["error"]) == HORIZON - 1 and len(told["best"]) == 19
    assert (np.diff(told["best"]) <= 1e-12).all() and (tmp_path / "offline.png").stat().st_size > 10_000
    assert entry.main([*ask, "--episodes", "3-4"]) == 0
    assert "1 of these 2 episodes were trained on" in capsys.readouterr().out.replace("\n", " ")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--episodes", "9"], "episodes 0 to 4"),
        (["--episodes", "x"], "expected numbers and ranges"),
        (["--candidates", "2"], "candidates = 2: must be at least 3"),
        (["--moments", "0"], "moments = 0"),
    ],
)
def test_what_is_illegal_is_said(flags: list[str], words: str, states: Path, trained: Path, capsys) -> None:
    assert entry.main(["offline", str(trained), str(states), *flags]) == 1
    said = capsys.readouterr().err
    assert words in said and "Traceback" not in said


def test_another_rate_and_a_missing_feature_are_refused(states: Path, trained: Path) -> None:
    folder, meta = pretrained_folder(trained), metadata(str(states))
    loaded = load(folder)
    other = SimpleNamespace(fps=30, features=meta.features)
    with pytest.raises(ValueError, match="fps = 30 in the dataset, and the policy was trained at 10"):
        draw(loaded, folder, other, [0], 3, 3)
    with pytest.raises(ValueError, match=r"lacks observation\.state"):
        draw(loaded, folder, SimpleNamespace(fps=10, features={"action": {}}), [0], 3, 3)


def saved(folder: Path, **dataset: object) -> Path:
    (folder / "train_config.json").write_text(json.dumps({"dataset": dataset}))
    return folder


def meta(tasks: list[str], name: str = "you/arm") -> SimpleNamespace:
    return SimpleNamespace(total_episodes=len(tasks), episodes={"tasks": [[task] for task in tasks]}, repo_id=name)


def test_the_last_episodes_of_every_task_are_held_out_by_a_split(tmp_path: Path) -> None:
    """As LeRobot does it: ⌈n · split⌉ of each task."""
    folder, tasks = saved(tmp_path, repo_id="you/arm", eval_split=0.3), ["a", "b", "a", "a", "b", "a"]
    assert trained_on(folder, "you/arm", meta(tasks)) == [0, 1, 2]
    chosen = choose(folder, "you/arm", meta(tasks))
    assert chosen.episodes == [3, 4, 5] and chosen.seen == 0
    assert choose(folder, "you/arm", meta(tasks), [0, 5]).seen == 1


def test_a_checkpoint_of_other_data_says_that_nobody_knows(tmp_path: Path) -> None:
    folder = saved(tmp_path, repo_id="you/other")
    chosen = choose(folder, "you/arm", meta(["a"] * 3))
    assert chosen.seen is None and chosen.episodes == [0, 1, 2] and "you/other" in chosen.said
    (tmp_path / "train_config.json").unlink()
    assert "does not name" in choose(tmp_path, "you/arm", meta(["a"])).said


def test_data_that_were_all_trained_on_are_warned_of(tmp_path: Path) -> None:
    chosen = choose(saved(tmp_path, repo_id="you/arm"), "you/arm", meta(["a"] * 3))
    assert chosen.seen == 3 and "All of these 3 episodes were trained on" in chosen.said and "eval_split" in chosen.said
