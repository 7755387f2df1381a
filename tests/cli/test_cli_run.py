"""One training and one evaluation as a person types them: what is chosen for them, and how little is printed."""

import json
import logging
from pathlib import Path

import pytest

import lerobot_dp_plus
from lerobot_dp_plus.cli import main

DATA = Path(lerobot_dp_plus.__file__).parent / "assets" / "pusht_demos"


@pytest.fixture(autouse=True)
def _no_word_of_closed_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """LeRobot's logging handler of an earlier test writes to a stream that was that test's."""
    monkeypatch.setattr(logging, "raiseExceptions", False)


def test_train_and_eval_without_a_flag_too_many(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "demo" / "train"
    tiny = ["policy.network.dim=16", "policy.network.depth=1", "policy.network.num_heads=2", "policy.device=cpu"]
    run = [f"output_dir={out}", "steps=2", "batch_size=4", "env_eval_freq=0", "log_freq=1", "wandb.enable=false"]
    assert main(["train", f"dataset={DATA}", "policy=dp_plus_flow", "env=pusht", *tiny, *run]) == 0
    said = capfd.readouterr().err
    config = json.loads((out / "checkpoints/last/pretrained_model/train_config.json").read_text())
    assert config["env"]["obs_type"] == "environment_state_agent_pos"
    assert config["dataset"]["root"] == str(DATA) and config["dataset"]["repo_id"] == "local/pusht_demos"
    assert "note: train runs with" in said and "--env.obs_type=environment_state_agent_pos" in said
    assert_short(said)
    assert sum("step:" in line for line in said.splitlines()) == 2, "what a log is for stays"

    evaluated = tmp_path / "demo" / "eval"
    ask = [f"policy={out}", "env=pusht", "env.episode_length=12", "eval.n_episodes=3", f"output_dir={evaluated}"]
    assert main(["eval", *ask]) == 0
    said = capfd.readouterr().err
    note = next(line for line in said.splitlines() if line.startswith("note: "))
    assert "--env.obs_type=environment_state_agent_pos" in note and "--eval.batch_size=3" in note
    assert "batch_size=3" in said
    assert_short(said)
    assert len(json.loads((evaluated / "eval_info.json").read_text())["per_task"][0]["metrics"]["successes"]) == 3

    assert main(["eval", *ask[:-1], f"output_dir={evaluated}2", "show_config=true", "env.episode_length=2"]) == 0
    assert "'obs_type': 'environment_state_agent_pos'" in capfd.readouterr().err


def assert_short(said: str) -> None:
    """No dump of a configuration, no bar that redraws itself, no word of videos where none are read."""
    assert "Configuration: " in said and "show_config=true" in said
    assert "'n_action_steps'" not in said and "\r" not in said and "torchcodec" not in said
    assert len(said.splitlines()) < 60, said


def test_scripts_without_options_explain_themselves_and_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find-port", "--help"]) == 0
    assert "port" in capsys.readouterr().out
    assert main(["info"]) == 0
    assert "LeRobot version" in capsys.readouterr().out


def test_the_help_of_train_knows_our_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["train", "--help"])
    page = capsys.readouterr().out
    assert left.value.code == 0
    assert all(f"  {flag}=" in page for flag in ("fast_loading", "memory_limit_gb", "cache_dir", "show_config"))
    assert "--dataset.repo_id" in page
