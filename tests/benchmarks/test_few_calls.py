"""Few calls a chunk: what is trained from what, at how many calls it is judged, and over what the ratio is."""

import json

import pytest
from tiny_recipes import DEMOS, in_this_process, shrunk

from benchmarks import few_calls, judged, pusht_quality


@pytest.fixture
def options(tmp_path) -> list[str]:
    """Options with which the benchmark trains tiny policies for two updates."""
    base, config = (shrunk(recipe, tmp_path / recipe.name) for recipe in (judged.RECIPE, few_calls.CONFIG))
    made = [f"--root={DEMOS}", f"--base={base}", f"--config={config}", "--steps=2", "--episodes=1", "--calls", "1", "4"]
    return [*made, f"--folder={tmp_path / 'kept'}", f"--json={tmp_path / 'found.json'}"]


def test_a_policy_is_judged_before_and_after(tmp_path, options, monkeypatch, capsys):
    monkeypatch.setattr(judged, "run", in_this_process)
    assert few_calls.main(options) == 0
    found = json.loads((tmp_path / "found.json").read_text())["rows"]
    assert [(row["name"], row["calls"]) for row in found] == [
        (name, calls) for name in ("before", "after") for calls in (1, 4)
    ]
    assert len({row["weights_sha256"] for row in found}) == 2 and found[0]["seeds"] == [100_000, 100_000]
    folders = [
        next((tmp_path / "kept").glob(f"{name}_????????")) for name in ("recipe", f"{few_calls.CONFIG.stem}_after")
    ]
    config = "seed_1/checkpoints/last/pretrained_model/config.json"
    trained = [json.loads((folder / config).read_text()) for folder in folders]
    assert [config["objective"]["type"] for config in trained] == ["diffusion", "shortcut"]
    assert [config["objective"]["prediction"] for config in trained] == ["x1"] * 2
    assert trained[1]["pretrained_path"].startswith(f"{folders[0]}/seed_1/")
    assert (tmp_path / "found.png").stat().st_size > 5000 and "÷ before at 4" in capsys.readouterr().out
    written = {file: file.stat().st_mtime_ns for file in (tmp_path / "kept").rglob("*") if file.is_file()}
    assert few_calls.main(options) == 0
    assert json.loads((tmp_path / "found.json").read_text())["rows"] == found
    assert written == {file: file.stat().st_mtime_ns for file in (tmp_path / "kept").rglob("*") if file.is_file()}

    (tmp_path / "kept").rename(tmp_path / "moved")
    commands = []
    monkeypatch.setattr(
        judged, "run", lambda command, log: commands.append(command[3]) or in_this_process(command, log)
    )
    assert few_calls.main([*options, f"--folder={tmp_path / 'moved'}"]) == 0
    assert json.loads((tmp_path / "found.json").read_text())["rows"] == found and commands == []
    same = [flag for flag in options if flag.startswith(("--root=", "--steps=", "--episodes=", "--json="))]
    base = next(flag.replace("--base=", "--config=") for flag in options if flag.startswith("--base="))
    assert pusht_quality.main([*same, base, "--no-host", f"--folder={tmp_path / 'moved'}"]) == 0
    assert commands == ["evaluate"], "the recipe's weights are shared"
    (row,) = json.loads((tmp_path / "found.json").read_text())["rows"]
    assert row["weights_sha256"] == found[0]["weights_sha256"]


def test_a_given_checkpoint_replaces_the_first_training_and_a_control_goes_on_as_it_was(tmp_path, options, monkeypatch):
    commands, judgement = {}, {"successes": 1, "episodes": 1, "success_percent": 100.0, "score": 1.0}
    judgement |= {"of_episodes": {"successes": [True]}}
    starts = set()

    def note(name, command, seed, folder, start) -> judged.Trained:
        commands[name] = command
        starts.add(start)
        return judged.Trained(folder, name, 1.0)

    monkeypatch.setattr(judged, "train_once", note)
    monkeypatch.setattr(judged, "evaluate", lambda *_: judgement)
    start = judged.ROOT / "hub_cards" / "pusht_state"
    assert few_calls.main([*options, "--start", str(start), "--control", "--calls-before", "4"]) == 0
    assert all(f"--policy.pretrained_path={start}" in command for command in commands.values())
    assert len(starts) == 1 and len(starts.pop()) == 8, "what it goes on from is part of either training's digest"
    after, control = (commands[f"pusht_foresight_few_calls_{name}"] for name in ("after", "control"))
    more = ["--policy.objective.type=diffusion", "--policy.sampler.type=dpmpp_2m"]
    assert [flag for flag in control if flag not in after] == more and len(commands) == 2
    rows = json.loads((tmp_path / "found.json").read_text())["rows"]
    found = [(row["name"], row["calls"], row["seconds"]) for row in rows]
    assert found == [("before", 4, None), ("after", 1, 1.0), ("after", 4, 1.0), ("control", 4, 1.0)]


def test_few_calls_of_what_was_not_trained_for_them_are_single_steps():
    assert few_calls.at(2, "before") == ("--policy.sampler.type=ddim", "--policy.sampler.num_steps=2")
    assert few_calls.at(4, "control") == ("--policy.sampler.num_steps=4",)
    assert few_calls.at(1, "after") == ("--policy.sampler.num_steps=1",)


def report(name: str, calls: int, solved: list[int], seed: int = 1) -> dict:
    outcome = [episode in solved for episode in range(10)]
    return {
        **{"name": name, "calls": calls, "training_seed": seed, "successes": sum(outcome), "episodes": 10},
        **{"success_percent": 10.0 * sum(outcome), "score": 0.9, "of_episodes": {"successes": outcome}},
    }


def test_what_is_kept_is_over_the_most_calls_before():
    reports = [
        *(report("before", 1, [0]), report("before", 10, [*range(8)]), report("before", 10, [*range(9)], seed=2)),
        *(report("after", 1, [*range(7)]), report("after", 1, [*range(8)], seed=2)),
        *(report("after", 10, [*range(8)]), report("after", 10, [*range(9)], seed=2)),
    ]
    kept = few_calls.kept_success(reports)  # before was not judged at all that after was
    assert kept["1"]["ratio"] == pytest.approx(15 / 17) and kept["1"]["low"] < 15 / 17 < kept["1"]["high"]
    assert kept["10"] == {"ratio": 1, "low": 1, "high": 1}, "paired: the same episodes leave no spread"
    few_calls.draw(reports).savefig("/dev/null", format="png")


def test_flags_that_are_not_the_policys_are_refused(capsys):
    with pytest.raises(SystemExit):
        few_calls.main([f"--root={DEMOS}", "--cals=1"])
    assert "unrecognized arguments: --cals=1\n" in capsys.readouterr().err


def test_a_changed_experiment_has_to_be_told_where_its_results_go(capsys):
    with pytest.raises(SystemExit):
        few_calls.main([f"--root={DEMOS}", "--policy.ema.decay=0.99"])
    assert "--policy.… flags: give --json FILE" in capsys.readouterr().err


def test_what_a_training_goes_on_from_counts_and_not_where_it_lies():
    at_a, at_b = (["python", f"--policy.pretrained_path=/{place}/last"] for place in "ab")
    assert judged.training_key(at_a, "1") == judged.training_key(at_b, "1") != judged.training_key(at_a, "2")
    assert judged.training_key(at_a) != judged.training_key(at_b)
