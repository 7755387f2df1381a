"""Success with its interval, and the score, from what LeRobot's eval writes."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from lerobot_dp_plus.evaluation.evaluate import policy_switches
from lerobot_dp_plus.evaluation.report import print_report, pusht_score, read_report, write_report
from lerobot_dp_plus.hub.intervals import wilson_interval
from lerobot_dp_plus.reporting.report import main


@pytest.mark.parametrize(
    ("successes", "episodes", "low", "high"),
    # Newcombe 1998 (Statistics in Medicine 17, 857–872), table I: the score method without continuity correction.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_against_published_values(successes: int, episodes: int, low: float, high: float) -> None:
    assert wilson_interval(successes, episodes) == pytest.approx((low, high), abs=5e-5)


def test_wilson_is_symmetric_in_success_and_failure() -> None:
    low, high = wilson_interval(45, 50)
    assert wilson_interval(5, 50) == pytest.approx((1 - high, 1 - low))
    assert 0.78 < low < 0.9 < high < 0.96


@pytest.mark.parametrize(("successes", "episodes"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_impossible_counts(successes: int, episodes: int) -> None:
    with pytest.raises(ValueError, match=f"successes={successes}, episodes={episodes}"):
        wilson_interval(successes, episodes)


def test_score_is_the_mean_best_reward() -> None:
    assert pusht_score([1.0, 0.5, 0.0]) == pytest.approx(0.5)


def test_score_follows_the_environment() -> None:
    """The reward of gym-pusht is clip(coverage / 0.95, 0, 1), which the score relies on."""
    import gym_pusht  # noqa: F401
    import gymnasium as gym

    env = gym.make("gym_pusht/PushT-v0", obs_type="state")
    env.reset(seed=3, options={"reset_to_state": [50, 50, 256, 256, math.pi / 4 + 0.4]})
    _, reward, _, _, info = env.step([50, 50])
    assert 0.05 < info["coverage"] < 0.95
    assert reward == pytest.approx(info["coverage"] / 0.95)


def test_report_of_an_evaluation(eval_info: Callable[..., Path], tmp_path: Path) -> None:
    path = eval_info([True, True, True, False], [1.0, 1.0, 1.0, 0.6])
    report = read_report(path, first_seed=100_000, latency_ms=12.34, latency_p90_ms=15.0, device="cpu")
    assert (report.episodes, report.successes, report.success_percent) == (4, 3, 75.0)
    assert report.seeds == (100_000, 100_003)
    assert report.score == pytest.approx(0.9)
    assert report.interval_percent == pytest.approx([100 * bound for bound in wilson_interval(3, 4)])

    console = Console(record=True, width=120, file=(tmp_path / "printed").open("w"))
    print_report(report, console)
    printed = console.export_text()
    for expected in ("75.0 %", "3 of 4", "30.1 to 95.4 %", "0.900", "12.3 ms per chunk", "100000 to 100003", "pusht_0"):
        assert expected in printed

    write_report(report, tmp_path / "deep" / "report.json")
    assert json.loads((tmp_path / "deep" / "report.json").read_text())["success_percent"] == 75.0
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["report.json"]


def test_command(eval_info: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    path = eval_info([True, False], [1.0, 0.25])
    assert main([str(path.parent), "--seed", "7"]) == 0
    printed = capsys.readouterr().out
    assert "50.0 %" in printed and "7 to 8" in printed and "0.625" in printed


@pytest.mark.parametrize(
    ("successes", "rewards", "message"),
    [
        ([], [], "0 successes"),
        ([True], [1.0, 0.5], "1 successes and 2 rewards"),
        ([True], [math.nan], "episode 0 is nan"),
    ],
)
def test_an_unusable_evaluation_is_refused(
    eval_info: Callable[..., Path], successes: list[bool], rewards: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read_report(eval_info(successes, rewards))


def test_a_file_that_is_something_else_is_named(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"loss": 1}')
    with pytest.raises(ValueError, match=r"other\.json is not an eval_info\.json"):
        read_report(other)
    with pytest.raises(FileNotFoundError, match=r"missing\.json"):
        read_report(tmp_path / "missing.json")


def test_switches_of_the_policy_are_those_its_config_reads() -> None:
    arguments = ["--policy.sampler.num_steps=5", "--eval.batch_size=2", "--policy.n_action_steps", "4"]
    assert policy_switches(arguments) == ["--sampler.num_steps=5", "--n_action_steps=4"]
    assert policy_switches([]) == []
