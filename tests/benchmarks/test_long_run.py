"""Success over updates and minutes: every checkpoint is judged, minutes are reckoned, and a rule says whether it still rises."""

import json
from pathlib import Path

import pytest
from tiny_recipes import DEMOS, in_this_process, shrunk

from benchmarks import floor, judged, long_run, paired, pusht_quality
from benchmarks.judged import RECIPE

SECONDS = {"memory": 1.0, "host": 3.0, "host4": 2.0}
PACES = {"paces": {f"{s} + {name}": {"seconds": {"median": t}} for s in long_run.SIDES for name, t in SECONDS.items()}}


def points(*pairs: tuple[int, float]) -> list[dict]:
    return [{"step": step, "success_percent": percent} for step, percent in pairs]


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ((0, 10, 20, 30), False),
        ((0, 90, 50, 52, 53, 55), True),  # 54.0 against 51.0
        ((0, 60, 61, 66, 66), False),  # 66 against 60.5
        ((60, 60, 20, 20), True),
        ((0, 10, 20), None),
    ],
)
def test_success_has_stopped_rising_by_a_rule(rates, expected):
    assert long_run.stopped(points(*enumerate(rates))) is expected


def test_minutes_to_a_rate_are_those_of_every_loader():
    curves = {"ours": points((60, 40), (120, 70), (180, 50)), "host": points((600, 10), (1200, 61))}
    found = long_run.times(curves, PACES, target=60)
    assert found["ours + memory"] == {"updates": 120, "minutes": 2, "reached": True, "times_ours": 1}
    assert found["host + host"] == {"updates": 1200, "minutes": 60, "reached": True, "times_ours": 30}
    assert [found[f"host + {name}"]["times_ours"] for name in ("memory", "host4")] == [10, 20]
    assert found["ours + host"]["times_ours"] == 3, "what our loader alone gives"


def test_what_was_not_reached_is_a_bound_and_without_ours_there_is_no_ratio():
    curves = {"ours": points((60, 70)), "host": points((600, 10), (1200, 59))}
    found = long_run.times(curves, PACES, target=60)["host + memory"]
    assert found == {"updates": 1200, "minutes": 20, "reached": False, "times_ours": 20}
    curves["ours"] = points((60, 59))
    assert long_run.times(curves, PACES, target=60)["host + memory"]["times_ours"] is None


@pytest.fixture
def options(tmp_path, monkeypatch) -> list[str]:
    """Options with which both sides train four updates, in this process; LeRobot's is the smallest."""
    stock = paired.host_through_our_loader

    def smallest(*arguments, **how) -> list[str]:
        command = [flag for flag in stock(*arguments, **how) if "down_dims" not in flag]
        return [*command, "--policy.down_dims=[8,16,32]", "--policy.diffusion_step_embed_dim=8", "--batch_size=4"]

    monkeypatch.setattr(paired, "host_through_our_loader", smallest)
    monkeypatch.setattr(judged, "run", in_this_process)
    monkeypatch.setattr(long_run, "kept_pace", lambda *_: PACES)
    monkeypatch.setattr(long_run, "peak", lambda rounds, **where: floor.peak(1, side=64, **where))
    monkeypatch.setattr(paired, "equal_dims", lambda *_: (8, 16, 32))
    recipe = shrunk(RECIPE, tmp_path / "tiny.json")
    config = json.loads(recipe.read_text()) | {"save_freq": 1}
    recipe.write_text(json.dumps(config))
    told = [f"--root={DEMOS}", f"--config={recipe}", "--steps=2", "--steps-host=2", "--episodes=1", "--last-episodes=2"]
    return [*told, f"--folder={tmp_path / 'kept'}", f"--json={tmp_path / 'found.json'}"]


def test_every_checkpoint_of_both_sides_is_judged(tmp_path, options, monkeypatch, capsys):
    assert long_run.main(options) == 0
    found = json.loads((tmp_path / "found.json").read_text())
    for side, reports in found["curves"].items():
        assert [report["step"] for report in reports] == [1, 2]
        assert all(report["seeds"] == [90_000, 90_000] for report in reports)
        last = found["last"][side]
        assert last["seeds"] == [100_000, 100_001] and last["weights_sha256"] == reports[-1]["weights_sha256"]
        assert reports[0]["weights_sha256"] != reports[1]["weights_sha256"]
        for loader, seconds in SECONDS.items():
            assert found["result"]["minutes"][f"{side} + {loader}"] == [seconds / 60, 2 * seconds / 60]
    assert found["result"]["limit_minutes"] > 0 and found["dtype"] == "float32"
    assert found["result"]["stopped_rising"] == {"ours": None, "host": None}
    assert all(report["evaluate"] == ["--policy.use_amp=false"] for report in found["curves"]["host"])
    assert (tmp_path / "found.png").stat().st_size > 5000
    assert "too few checkpoints" in capsys.readouterr().out
    written = {file: file.stat().st_mtime_ns for file in (tmp_path / "kept").rglob("*") if file.is_file()}
    assert long_run.main(options) == 0
    same = [flag for flag in options if flag.startswith(("--root=", "--config=", "--steps=", "--folder=", "--json="))]
    assert pusht_quality.main([*same, "--no-host", "--episodes=2"]) == 0
    assert written == {file: file.stat().st_mtime_ns for file in (tmp_path / "kept").rglob("*") if file.is_file()}
    (row,) = json.loads((tmp_path / "found.json").read_text())["rows"]
    assert row["weights_sha256"] == found["last"]["ours"]["weights_sha256"], "the comparison shares the training"


def test_operations_of_an_update_are_in_proportion_to_its_samples(tmp_path):
    recipe = json.loads(RECIPE.read_text())
    recipe["policy"]["dtype"] = "float32"  # accelerate refuses a second precision in one process
    config = tmp_path / "recipe.json"
    config.write_text(json.dumps(recipe))
    two, four = (long_run.operations_of_an_update(config, DEMOS, f"--batch_size={size}") for size in (2, 4))
    parameters = 3_000_000
    assert four == pytest.approx(2 * two, rel=0.05) and two > 2 * 3 * 2 * parameters


def test_commands_are_told_without_the_folders_of_a_machine() -> None:
    told = {"a": [f"--config_path={judged.ROOT}/configs/x.json", "--dataset.root=/data/here"], "n": 1, "none": None}
    found = long_run.without_places(told, Path("/data/here"))
    assert found == {"a": ["--config_path=configs/x.json", "--dataset.root=DIR"], "n": 1, "none": None}
