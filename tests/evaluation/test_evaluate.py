"""`dp-plus evaluate`: number by number LeRobot's eval; what is stopped goes on; failures are filmed."""

import json
import multiprocessing
import time
from pathlib import Path

import pytest
import torch

from lerobot_dp_plus.cli import entry, host
from lerobot_dp_plus.evaluation import evaluate as evaluation
from lerobot_dp_plus.evaluation.batches import PARTS
from lerobot_dp_plus.evaluation.evaluate import evaluate
from lerobot_dp_plus.evaluation.player import DIGITS
from lerobot_dp_plus.evaluation.playing import play

STATE = Path(__file__).parents[2] / "hub_cards" / "pusht_state"
FIRST = 90_700
#: Few candidates, calls and steps; some episodes succeed in so many steps and some do not.
QUICK = ["--policy.selection.num_candidates=2", "--policy.sampler.num_steps=2", "--env.episode_length=20"]


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "episodes.jsonl").read_text().splitlines()]


def stock(folder: Path, seed: int, episodes: int, size: int) -> list[tuple]:
    """Success, sum and maximum of the rewards of each episode, as LeRobot's own eval has them."""
    arguments = evaluation.eval_arguments(STATE, folder, episodes, seed, [*QUICK, f"--eval.batch_size={size}"])
    host.run("eval", arguments)
    metrics = json.loads((folder / "eval_info.json").read_text())["per_task"][0]["metrics"]
    rewards = ([float(f"{x:.{DIGITS}g}") for x in metrics[name]] for name in ("sum_rewards", "max_rewards"))
    return list(zip(metrics["successes"], *rewards, strict=True))


def ours(folder: Path, *, size: int, episodes: int, **more) -> list[tuple]:
    arguments = evaluation.eval_arguments(STATE, folder, episodes, FIRST, [*QUICK, f"--eval.batch_size={size}"])
    facts = evaluation.facts_of("these", arguments)
    play(arguments, folder, facts, films=(0, 0), **{"workers": 1, **more})
    return [(each["success"], each["sum_reward"], each["max_reward"]) for each in lines(folder)]


def test_episodes_are_those_of_lerobots_eval(tmp_path: Path) -> None:
    # One call of LeRobot's with two batches, the second of which it plays in full and keeps in part.
    whole = stock(tmp_path / "whole", FIRST, 5, 3)
    assert len({each[1] for each in whole}) == 5
    assert ours(tmp_path / "one", size=3, episodes=5, one_stream=True) == whole
    # Batches that stand alone: each is a call of LeRobot's from the seed of its first episode.
    apart = ours(tmp_path / "apart", size=3, episodes=5)
    assert apart[:3] == whole[:3]
    assert apart[3:] == stock(tmp_path / "second", FIRST + 3, 3, 3)[:2] != whole[3:]
    info = json.loads((tmp_path / "one" / "eval_info.json").read_text())
    theirs = json.loads((tmp_path / "whole" / "eval_info.json").read_text())
    for name in ("avg_sum_reward", "avg_max_reward", "pc_success", "n_episodes"):
        assert info["overall"][name] == pytest.approx(theirs["overall"][name])
        assert info["per_group"]["pusht"][name] == pytest.approx(theirs["per_group"]["pusht"][name])
    assert info["per_task"][0].keys() == theirs["per_task"][0].keys()


def _in_a_process(folder: Path, one_stream: bool) -> None:
    torch.set_num_threads(1)
    ours(folder, size=1, episodes=4, one_stream=one_stream)


@pytest.mark.parametrize("one_stream", [False, True])
def test_what_is_killed_goes_on_and_gives_the_file_of_no_kill(tmp_path: Path, one_stream: bool, capsys) -> None:
    killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    ours(undisturbed, size=1, episodes=4, one_stream=one_stream)
    process = multiprocessing.get_context("fork").Process(target=_in_a_process, args=(killed, one_stream))
    process.start()
    deadline = time.monotonic() + 120
    while len(list((killed / PARTS).rglob("*.jsonl"))) < 2:
        assert process.is_alive() and time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.join()
    kept = {file: file.stat().st_mtime_ns for file in (killed / PARTS).rglob("*.jsonl")}
    assert 2 <= len(kept) < 4 and not (killed / "episodes.jsonl").exists()
    capsys.readouterr()
    ours(killed, size=1, episodes=4, one_stream=one_stream)
    assert f"{len(kept)} of 4 episodes were played before" in capsys.readouterr().out
    assert all(file.stat().st_mtime_ns == then for file, then in kept.items())
    assert (killed / "episodes.jsonl").read_bytes() == (undisturbed / "episodes.jsonl").read_bytes()


def test_several_processes_write_the_same_file_and_more_episodes_are_added(tmp_path: Path, capsys) -> None:
    alone = ours(tmp_path / "alone", size=1, episodes=3)
    assert ours(tmp_path / "several", size=1, episodes=2, workers=2) == alone[:2]
    assert "2 batches of 1 episodes in 2 processes" in capsys.readouterr().out
    assert ours(tmp_path / "several", size=1, episodes=3) == alone
    assert "2 of 3 episodes were played before" in capsys.readouterr().out
    assert (tmp_path / "alone" / "episodes.jsonl").read_bytes() == (
        tmp_path / "several" / "episodes.jsonl"
    ).read_bytes()


def test_a_command_measures_films_failures_and_is_found_again(tmp_path: Path, capsys) -> None:
    flags = ["--episodes=4", f"--seed={FIRST}", "--samples=2", "--films", "1", "2", f"--output-dir={tmp_path}"]
    short = [*QUICK, "--eval.batch_size=4"]
    assert entry.main(["evaluate", str(STATE), *flags, *short]) == 0
    printed = capsys.readouterr().out
    assert "4 of 4 episodes: success" in printed and "dp-plus report" in printed
    episodes = lines(tmp_path)
    assert [each["seed"] for each in episodes] == list(range(FIRST, FIRST + 4))
    failed = [each["episode"] for each in episodes if not each["success"]]
    assert len(failed) > 2
    expected = {0, *[each for each in failed if each > 0][:2]}
    films = {int(file.stem.rpartition("_")[2]) for file in (tmp_path / "videos" / "pusht_0").iterdir()}
    assert 0 in films and len(films) == len(expected) and films <= {0, *failed}
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert sum(each["count"] for each in summary["kinds"].values()) == 4
    assert summary["decision_ms"]["p50"] <= summary["decision_ms"]["p95"] <= summary["decision_ms"]["p99"]
    late = [json.loads(line) for line in (tmp_path / "latency.jsonl").read_text().splitlines()]
    assert [each["seed"] for each in late] == [each["seed"] for each in episodes] and late[0]["p99"] > 0
    for each in episodes:
        assert 0 <= each["final"] <= each["best"] <= 1 and each["steps"] <= 20
        assert each["path_length"] > 0 and each["jerk"] > 0 and each["collisions"] is None
        assert each["max_reward"] == pytest.approx(min(each["best"] / 0.95, 1))
    assert entry.main(["evaluate", str(STATE), *flags, *short]) == 0
    assert "exists already" in capsys.readouterr().out


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"workers = 2: with one_stream"):
        ours(tmp_path, size=1, episodes=2, workers=2, one_stream=True)
    with pytest.raises(ValueError, match=r"needs observation\.environment_state, which env\.type = aloha"):
        evaluate(STATE, tmp_path, 1, extra=["--env.type=aloha"])
