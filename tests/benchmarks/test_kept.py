"""What is kept is reused by the same experiment alone, and no experiment's results replace another's."""

import argparse
import json

import pytest
from tiny_recipes import DEMOS

from benchmarks import judged, long_run, pusht_quality
from benchmarks.common import RESULTS, ROOT
from benchmarks.factors import FACTORS, RECIPE_ROW, Row
from benchmarks.judged import RECIPE


def chosen(**changed) -> argparse.Namespace:
    """Options of a study with these changed."""
    usual = {"root": DEMOS, "config": RECIPE, "steps": None, "study_episodes": 1, "study": True}
    return argparse.Namespace(**(usual | {"device": "cpu", "policy": []} | changed))


def test_late_checkpoints_are_averaged_before_they_are_evaluated(tmp_path, called):
    row = next(row for row in FACTORS if row.average)
    options = chosen(policy=["--policy.selection.tolerance=0"])
    pusht_quality.measure(row, 1, options, tmp_path)
    (trained,) = tmp_path.glob(f"{judged.slug(row.name)}_????????/seed_1")
    assert [arguments[0] for arguments in called] == ["train", "average", "evaluate"]
    assert set(options.policy) < set(called[0])
    assert not set(options.policy) & set(called[2])  # it is in the weights' config
    assert called[1][:2] == ["average", str(trained)] and f"--last={row.average}" in called[1]
    assert f"--policy={trained}_mean" in called[2] and f"--output={trained}_mean" in called[1]


def test_another_experiment_of_the_same_name_is_trained_again(tmp_path, called):
    """And the same one is not."""
    recipe = json.loads(RECIPE.read_text())
    same, other = tmp_path / "same.json", tmp_path / "other.json"
    same.write_text(json.dumps(recipe, indent=4))
    other.write_text(json.dumps(recipe | {"batch_size": 64}))
    row, seed, kept = RECIPE_ROW, 1, tmp_path / "kept"

    def commands(row=row, seed=seed, **changed) -> list[str]:
        called.clear()
        pusht_quality.measure(row, seed, chosen(**changed), kept)
        return [arguments[0] for arguments in called]

    assert commands() == ["train", "evaluate"] and commands() == [] and commands(config=same) == []
    experiments = [
        {"policy": ["--policy.ema.decay=0.99"]},
        {"config": other},
        {"steps": 100},
        {"root": tmp_path},
        {"device": "cuda"},
    ]
    for changed in experiments:
        assert commands(**changed) == ["train", "evaluate"] and commands(**changed) == [], changed
    assert commands(seed=2) == ["train", "evaluate"] and commands(seed=2) == []
    assert commands(study_episodes=2) == ["evaluate"] and commands(study_episodes=2) == []
    assert commands(row=Row(row.name, evaluate=("--policy.noise_scale=0.3",))) == ["evaluate"]
    folders = {file.parents[1] for file in kept.glob("*/seed_*/seconds.json")}
    assert len(folders) == 1 + len(experiments), "the seed is no part of the digest"


def test_rows_that_train_alike_share_weights(tmp_path, called):
    velocity = [row for row in FACTORS if row.name.startswith("flow matching, velocity")]
    for row in velocity:
        pusht_quality.measure(row, 1, chosen(), tmp_path)
    assert [arguments[0] for arguments in called] == ["train", "evaluate", "evaluate"]
    assert [set(velocity[1].evaluate) <= set(arguments) for arguments in called] == [False, False, True]


def test_a_row_says_when_it_was_measured(tmp_path, called, monkeypatch):
    dates = iter(["trained", "judged"])
    monkeypatch.setattr(judged, "moment", lambda: {"commit": "c0ffee", "date": next(dates)})
    row = pusht_quality.measure(RECIPE_ROW, 1, chosen(), tmp_path)
    again = pusht_quality.measure(RECIPE_ROW, 1, chosen(), tmp_path)
    assert (row["commit"], row["date"]) == (again["commit"], again["date"]) == ("c0ffee", "judged")


@pytest.mark.parametrize(
    ("config", "study", "name"),
    [
        ("pusht_foresight", False, "pusht_quality"),
        ("pusht_foresight", True, "pusht_study"),
        ("pusht_pixels", False, "pusht_pixels"),
        ("pusht_pixels", True, "pusht_pixels_study"),
    ],
)
def test_one_configs_results_do_not_replace_anothers(config, study, name):
    options = chosen(
        config=ROOT / "configs" / f"{config}.json", study=study, only=[""], host=True, normalised=True, steps_host=None
    )
    assert pusht_quality.default_json(options) == RESULTS / f"{name}.json"


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--study", "--policy.dynamics.weighting.type=equal"], "--policy.… flags"),
        (["--policy.dynamics.weighting.type=equal"], "--policy.… flags"),
        (["--study", "--only", "DiT"], "--only"),
        (["--no-normalised"], "--no-normalised"),
        (["--steps-host=3"], "--steps-host"),
    ],
)
def test_a_changed_experiment_has_to_be_told_where_its_results_go(tmp_path, flags, named, capsys):
    with pytest.raises(SystemExit):
        pusht_quality.main([f"--root={DEMOS}", f"--folder={tmp_path / 'kept'}", *flags])
    assert f"{named}: give --json FILE" in capsys.readouterr().err and not (tmp_path / "kept").exists()


def test_a_long_run_of_another_experiment_has_to_be_told_where_its_results_go(capsys):
    _, path = long_run._options([f"--root={DEMOS}"])
    pixels = ROOT / "configs" / "pusht_pixels.json"
    assert path == RESULTS / "long_run.json"
    assert long_run._options([f"--root={DEMOS}", f"--config={pixels}"])[1].name == "long_run_pusht_pixels.json"
    for flag in ("--no-normalised", "--steps=3", "--steps-host=3"):
        with pytest.raises(SystemExit):
            long_run.main([f"--root={DEMOS}", flag])
        assert f"{flag.partition('=')[0]}: give --json FILE" in capsys.readouterr().err
