"""Success rates of recipes: what is counted together, what is reused, what is compared."""

import json
import math
import re

import pytest
from tiny_recipes import DEMOS, in_this_process, ours_for_real, shrunk

from benchmarks import judged, paired, pusht_quality
from benchmarks.common import ROOT
from benchmarks.contenders import SMALLEST, fresh, host_config, our_config, parameters
from benchmarks.factors import FACTORS, FACTORS_OF_PICTURES, RECIPE_ROW
from benchmarks.judged import RECIPE
from benchmarks.paired import host_training
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig

STEPS = {"steps": 3, "our_steps": 6}


def report(successes: int, **more) -> dict:
    return {"name": "row", "successes": successes, "episodes": 100, "success_percent": successes, "score": 0.9} | more


def test_training_seeds_are_counted_together():
    rows = [report(80, seconds=60), report(90, seconds=120)]
    rate, low, high = judged.together(rows)
    # Wilson's interval of 170 of 200, written out.
    p, n, z = 0.85, 200, 1.959964
    middle, half = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    ends = [100 * (middle + sign * half) / (1 + z**2 / n) for sign in (-1, 1)]
    assert (rate, low, high) == pytest.approx((85.0, *ends), abs=1e-3)
    assert pusht_quality.pooled(rows) == ("row", "80.0, 90.0", "85.0 (79.4–89.3) of 200", "0.900", "1.5")


def test_every_factor_of_the_study_is_a_legal_switch(tmp_path):
    pixels = ROOT / "configs" / "pusht_pixels.json"
    recipes = [*((row, RECIPE) for row in FACTORS), *((row, pixels) for row in (*FACTORS, *FACTORS_OF_PICTURES))]
    for row, recipe in recipes:
        saved = json.loads(recipe.read_text())["policy"]
        flags = [flag for flag in (*row.train, *row.evaluate) if not flag.startswith(("--save_freq=", "--steps="))]
        assert all(flag.startswith("--policy.") for flag in flags), row.name
        flags = [flag.replace("--policy.", "--", 1) for flag in flags]
        (tmp_path / "config.json").write_text(json.dumps(saved))
        assert isinstance(DpPlusConfig.from_pretrained(tmp_path, cli_overrides=flags), DpPlusConfig), row.name


@pytest.fixture
def tiny(tmp_path) -> list[str]:
    """Options with which the benchmark trains a tiny recipe for two updates."""
    recipe = shrunk(RECIPE, tmp_path / "tiny.json")
    options = [f"--root={DEMOS}", f"--config={recipe}", "--steps=2", f"--folder={tmp_path / 'kept'}"]
    return [*options, f"--json={tmp_path / 'found.json'}"]


def test_the_recipe_and_lerobots_policy_are_measured_on_the_same_episodes(tmp_path, tiny, monkeypatch):
    seconds = {"ours + memory": 6.0, "host + memory": 10.0, "host + host": 30.0, "host + host4": 20.0}
    paces = {"paces": {name: {"seconds": {"median": value}} for name, value in seconds.items()}}
    asked = []
    monkeypatch.setattr(pusht_quality, "kept_pace", lambda *arguments: asked.append(arguments) or paces)
    monkeypatch.setattr(judged, "run", ours_for_real)
    monkeypatch.setattr(paired, "equal_dims", lambda *_: SMALLEST)  # the true ones are tested below
    assert pusht_quality.main([*tiny, "--episodes=2", "--steps-host=3"]) == 0
    found = json.loads((tmp_path / "found.json").read_text())
    ours, host = found["rows"]
    assert ours["name"] == RECIPE_ROW.name and "LeRobot" in host["name"]
    assert ours["seeds"] == host["seeds"] == [100_000, 100_001]
    assert ours["weights_sha256"] != host["weights_sha256"] and min(ours["seconds"], host["seconds"]) > 0
    trained = next((tmp_path / "kept").glob("LeRobot*our_loader*/seed_1/checkpoints/last/*/config.json"))
    config = json.loads(trained.read_text())
    assert config["type"] == "diffusion" and config["normalization_mapping"]["ENV"] == "MIN_MAX"
    assert config["use_amp"] is False and found["dtype"] == "float32"
    assert config["scheduler_warmup_steps"] == 300 / 2 * 3
    judged_as = json.loads(next((tmp_path / "kept").glob("LeRobot*_eval/report.json")).read_text())
    assert judged_as["extra_arguments"] == ["--policy.use_amp=false"], "in float32, as ours"
    assert all({"commit", "date"} <= row.keys() for row in found["rows"])
    assert found["limit_percent"] == 50 * len({*solved(tmp_path, 0), *solved(tmp_path, 1)})
    assert (tmp_path / "found.png").stat().st_size > 5000
    ((commands, *_),) = asked
    assert all(line[3] == "train" for line in commands.values()) and "--policy.type=diffusion" in commands["host"]
    assert found["updates"] == {"ours": 2, "host": 3} and found["pace"] == paces


def test_lerobots_policy_has_a_line_for_each_loader_with_the_same_success():
    seconds = {"ours + memory": 6.0, "host + memory": 10.0, "host + host": 30.0, "host + host4": 20.0}
    paces = {"paces": {name: {"seconds": {"median": value}} for name, value in seconds.items()}}
    every = [report(98, seconds=12), report(96, seconds=None)], [report(7, seconds=None)]
    lines = pusht_quality.lines_by_loader(every, {"ours": 2, "host": 3}, paces)
    assert [(line[0], line[-1]) for line in lines] == [
        ("ours, our loader", "0.2"),
        ("LeRobot's diffusion, our loader", "0.5"),
        ("LeRobot's diffusion, LeRobot's loader, no workers", "1.5"),
        ("LeRobot's diffusion, LeRobot's loader, 4 workers", "1.0"),
    ]
    assert len({line[1:-1] for line in lines[1:]}) == 1 and lines[1][1] == "7.0" and lines[0][1] == "98.0, 96.0"


def test_lerobots_policy_as_it_ships_has_its_own_normalisation():
    config = our_config(RECIPE)
    kinder, as_it_ships = (host_training(config, **STEPS, normalised=on) for on in (True, False))
    (more,) = set(kinder) - set(as_it_ships)
    assert more.startswith("--policy.normalization_mapping=") and set(as_it_ships) < set(kinder)
    dims = json.loads(next(flag for flag in kinder if "down_dims" in flag).split("=")[1])
    theirs = parameters(fresh(host_config(down_dims=tuple(dims))).policy)
    assert theirs == pytest.approx(parameters(fresh(config).policy), rel=0.02)


@pytest.mark.parametrize(
    ("steps", "ours", "expected"), [(400, 8500, 14), (1500, 8500, 53), (7200, 3400, 635), (1, 8500, 1)]
)
def test_lerobots_policy_warms_up_for_our_share_of_its_updates(steps, ours, expected):
    command = host_training(our_config(RECIPE), steps=steps, our_steps=ours)
    assert f"--policy.scheduler_warmup_steps={expected}" in command and f"--steps={steps}" in command


@pytest.mark.parametrize(("dtype", "half"), [("bfloat16", True), ("float32", False)])
def test_lerobots_policy_trains_in_our_precision(dtype, half):
    command = host_training(our_config(RECIPE, dtype=dtype), **STEPS)
    assert ("--policy.use_amp=true" in command) is half


def test_lerobots_policy_from_pixels_sees_what_ours_sees_in_use():
    config = our_config(ROOT / "configs" / "pusht_pixels.json")
    assert "observation.environment_state" in config.input_features, "for training alone"
    command = host_training(config, **STEPS)
    given = dict(flag.removeprefix("--policy.").split("=", 1) for flag in command if flag.startswith("--policy."))
    assert json.loads(given["input_features"]).keys() == {"observation.image", "observation.state"}
    assert given["pretrained_backbone_weights"] == "null", "nothing is fetched"
    theirs = parameters(fresh(host_config(down_dims=tuple(json.loads(given["down_dims"])))).policy)
    assert theirs == pytest.approx(parameters(fresh(config).policy), rel=0.02)


def solved(folder, number) -> list[int]:
    """Which of the episodes the `number`-th policy solved, as LeRobot's evaluation wrote it down."""
    info = sorted((folder / "kept").glob("*_eval/eval_info.json"))[number]
    (task,) = json.loads(info.read_text())["per_task"]
    return [episode for episode, success in enumerate(task["metrics"]["successes"]) if success]


def of_episodes(*solved: int) -> dict:
    """A report on ten episodes of which these were solved; the others score 0.5."""
    return {
        "of_episodes": {
            "successes": [episode in solved for episode in range(10)],
            "max_rewards": [1.0 if episode in solved else 0.5 for episode in range(10)],
        }
    }


def test_ratios_are_over_the_same_episodes():
    ours, host = [of_episodes(0, 1, 2), of_episodes(0, 3, 4)], [of_episodes(0), of_episodes(5)]
    found = pusht_quality.compare(ours, host)
    assert found["failures_ratio"]["ratio"] == pytest.approx((9 + 9) / (7 + 7))
    assert found["score_ratio"]["ratio"] == pytest.approx((6.5 + 6.5) / (5.5 + 5.5))
    assert all(r["low"] < r["ratio"] < r["high"] for r in found.values())
    assert pusht_quality.solvable([ours, host]) == 60.0
    same = pusht_quality.compare(ours, ours)  # paired: what both share leaves no spread
    assert all((r["low"], r["high"]) == (1, 1) for r in same.values())


def test_few_failures_have_no_ratio():
    assert pusht_quality.compare([of_episodes(*range(6))], [of_episodes()])["failures_ratio"] is None


def test_a_row_is_trained_and_evaluated_once(tmp_path, tiny, monkeypatch):
    monkeypatch.setattr(judged, "run", in_this_process)
    options = [*tiny, "--study", "--study-episodes=1", "--only", "2 network calls"]
    assert pusht_quality.main(options) == 0
    found = json.loads((tmp_path / "found.json").read_text())["rows"]
    assert [row["name"] for row in found] == [RECIPE_ROW.name, "2 network calls"]
    assert found[0]["weights_sha256"] == found[1]["weights_sha256"]  # the same weights, otherwise used
    assert all(row["seeds"][0] == judged.SELECTION_SEED for row in found)
    (trained,) = (tmp_path / "kept").glob("*/seed_1/seconds.json")
    assert re.fullmatch(r"recipe_[0-9a-f]{8}", trained.parents[1].name)
    assert (tmp_path / "found.png").stat().st_size > 5000
    written = {file: file.stat().st_mtime_ns for file in (tmp_path / "kept").rglob("*") if file.is_file()}
    assert pusht_quality.main(options) == 0
    assert pusht_quality.main([*options, "--only", "", "--seeds", "1", "2", "--finished"]) == 0
    assert json.loads((tmp_path / "found.json").read_text())["rows"] == found
    assert written == {file: file.stat().st_mtime_ns for file in (tmp_path / "kept").rglob("*") if file.is_file()}


def test_flags_that_are_not_the_policys_are_refused(capsys):
    with pytest.raises(SystemExit):
        pusht_quality.main([f"--root={DEMOS}", "--stduy", "--policy.horizon=16"])
    assert "unrecognized arguments: --stduy\n" in capsys.readouterr().err


def test_a_training_seed_of_lerobots_side_alone_is_refused(capsys):
    with pytest.raises(SystemExit):
        pusht_quality.main([f"--root={DEMOS}", "--seeds", "1", "2", "--seeds-host", "3"])
    assert "--seeds-host 3 is not among --seeds 1 2" in capsys.readouterr().err
