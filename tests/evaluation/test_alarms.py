"""`dp-plus evaluate --alarms`: which runs alarmed, when first, and what was above its threshold."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from policies.tiny import frame
from rich.console import Console
from test_calibrate import loaded

from lerobot_dp_plus.evaluation import alarms, evaluate, watched_runs
from lerobot_dp_plus.evaluation.options import evaluate_parser
from lerobot_dp_plus.evaluation.report import Report, print_report
from lerobot_dp_plus.surprise import Calibration, Monitor, Usual

STEPS = 7


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Runs of random frames; the run of seed s ends after 4 + s modulo 3 steps, every third fails, and seed 101 is odd in step 2."""
    seeds: list[int] = []

    def play(made, batch, watch: watched_runs.Watch) -> list[bool]:
        seeds.extend(batch)
        made.policy.reset()
        for step in range(STEPS):
            seen = frame(made.policy.config, len(batch))
            if 101 in batch and step in (2, 3):
                seen["observation.state"][list(batch).index(101)] = 50.0
            made.policy.select_action(seen)
            watch(step, np.array([step < 4 + seed % 3 for seed in batch]))
        return [seed % 3 != 0 for seed in batch]

    monkeypatch.setattr(alarms, "play", play)
    return seeds


def calibration(made, **fields) -> Calibration:
    """Of strangeness alone: a threshold that only the odd frame is beyond."""
    usual = Usual.fit(torch.rand(200, 8) * 2 - 1)
    about = {"weights_sha256": "a" * 64}
    return Calibration(
        "distance", 0.05, "run", None, 50.0, 39, usual=usual, settings=made.policy.settings(), about=about, **fields
    )


def test_an_alarm_is_told_with_its_run_its_first_step_and_its_signal(played: list[int]) -> None:
    made = loaded()
    told = alarms.alarms_in_runs(made, calibration(made), range(100, 123))
    assert played == list(range(100, 123))
    assert [each["seed"] for each in told["episodes"]] == played
    odd = told["episodes"][1]
    # A window holds two frames: the odd ones are in those of steps 2, 3 and 4.
    assert odd == {"seed": 101, "success": True, "alarms": 3, "first_step": 2, "signals": ["strangeness"]}
    for each in told["episodes"][:1] + told["episodes"][2:]:
        assert (each["alarms"], each["first_step"], each["signals"]) == (0, None, [])
        assert each["success"] is (each["seed"] % 3 != 0)
    assert told["runs"] == 1 and told["interval_percent"][0] < 100 / 23 < told["interval_percent"][1]
    assert told["thresholds"] == {"surprise": None, "strangeness": 50.0} and told["alpha"] == 0.05
    json.dumps(told)


def test_steps_after_the_end_of_a_run_do_not_alarm(played: list[int], monkeypatch) -> None:
    made = loaded()
    low = Calibration("distance", 0.05, "run", None, -1.0, 39, usual=calibration(made).usual)
    told = alarms.alarms_in_runs(made, low, range(6))
    assert [each["alarms"] for each in told["episodes"]] == [4, 5, 6, 4, 5, 6]
    assert all(each["first_step"] == 0 for each in told["episodes"])


def test_both_signals_are_named(played: list[int]) -> None:
    made = loaded()
    low = Calibration("distance", 0.05, "run", -1.0, -1.0, 39, usual=calibration(made).usual)
    told = alarms.alarms_in_runs(made, low, range(2))
    assert all(each["signals"] == ["strangeness", "surprise"] for each in told["episodes"])


def test_a_calibration_of_other_weights_or_settings_is_refused(tmp_path: Path, played: list[int]) -> None:
    made = loaded()
    with pytest.raises(FileNotFoundError, match=r"holds no surprise\.json"):
        alarms.calibration_of(tmp_path, "a" * 64)
    folder = tmp_path / "not" / "there"
    calibration(made).save(folder)
    assert alarms.calibration_of(folder, "a" * 64)[0].strangeness == 50.0
    with pytest.raises(ValueError, match=r"alarms = .*calibrated on the weights aaaaaaaaaaaa…, and these are bbbb"):
        alarms.calibration_of(folder, "b" * 64)
    found = calibration(made)
    made.policy.config.n_action_steps = 2
    with pytest.raises(ValueError, match=r"n_action_steps = 2 \(calibrated 3\)"):
        alarms.alarms_in_runs(made, found, range(2))


def report(told) -> Report:
    return Report(4, 3, 75.0, (30.0, 95.0), 0.9, seeds=(0, 3), weights_sha256="w", alarms=told)


def told(count: int) -> dict:
    runs = [
        {"seed": seed, "success": seed % 2 == 0, "alarms": 2, "first_step": 7, "signals": ["surprise"]}
        for seed in range(count)
    ]
    quiet = {"seed": 99, "success": True, "alarms": 0, "first_step": None, "signals": []}
    return {
        **{"alpha": 0.05, "per": "run", "runs": count, "interval_percent": [1.0, 9.0], "calibration_sha256": "c"},
        "episodes": [*runs, quiet],
    }


def printed(each: Report, tmp_path: Path) -> str:
    console = Console(record=True, width=140, file=(tmp_path / "printed").open("w"))
    print_report(each, console)
    return console.export_text()


def test_the_summary_tells_of_alarms(tmp_path: Path) -> None:
    said = printed(report(told(3)), tmp_path)
    assert "3 of 4 runs (95 % interval 1.0 to 9.0 %), 1 of them failed; calibrated to at most 5 % of runs" in said
    assert "seed 1: 2 from step 7 on, surprise, failed" in said and "more in the report" not in said
    assert "and 2 more in the report" in printed(report(told(10)), tmp_path)
    assert "alarms" not in printed(report(None), tmp_path)


def test_a_report_is_reused_for_the_same_calibration_alone(tmp_path: Path) -> None:
    from lerobot_dp_plus.evaluation.report import write_report

    def reused(stored, digest: str | None) -> bool:
        write_report(report(stored), tmp_path / "report.json")
        return evaluate.reusable_report(tmp_path, "w", 4, 0, (), digest) is not None

    assert reused(None, None) and reused(told(1), None) and reused(told(1), "c")
    assert not reused(told(1), "d") and not reused(None, "c")


def test_the_option_is_there() -> None:
    assert evaluate_parser().parse_args(["--policy=x"]).alarms is None
    assert evaluate_parser().parse_args(["--policy=x", "--alarms=y"]).alarms == Path("y")


def test_a_monitor_tells_of_alarms_and_of_nothing_else(played: list[int]) -> None:
    made, heard = loaded(), []
    found = calibration(made)
    monitor = Monitor("distance", found.usual, found, tell=heard.append)
    alarms.play(made, range(100, 103), lambda step, running: monitor.see(made.policy))
    assert len(heard) == 3 and all(signal.alarm.tolist() == [False, True, False] for signal in heard)
    assert set(heard[0].above) == {"strangeness"}
