"""Small upload folders to make cards from: real configs of every preset, made-up trainings and evaluations."""

import json
from pathlib import Path
from typing import Any

from policies.tiny import config

from lerobot_dp_plus.evaluation.report import read_report, write_report

PUSHT_ENV = {"type": "pusht", "task": "PushT-v0", "fps": 10, "obs_type": "environment_state_agent_pos"}
ALOHA_ENV = {"type": "aloha", "task": "AlohaInsertion-v0", "fps": 50, "obs_type": "pixels_agent_pos"}
OUTCOMES = [True, True, False, True, False, True, True]
REWARDS = [1.0, 1.0, 0.731, 1.0, 0.25, 1.0, 1.0]


def folder_of(tmp_path: Path, name: str = "upload") -> Path:
    """An empty folder."""
    (tmp_path / name).mkdir()
    return tmp_path / name


def add_config(folder: Path, preset: str = "dp_plus_transformer", **fields: Any) -> dict[str, Any]:
    """config.json of a tiny policy of `preset`, as the package saves it."""
    made = config(preset, **fields)
    made.fps = 10
    made._save_pretrained(folder)
    return json.loads((folder / "config.json").read_text())


def add_training(folder: Path, env: dict[str, Any] | None = PUSHT_ENV, **dataset: Any) -> None:
    """train_config.json with what a card reads."""
    content = {
        "dataset": {"repo_id": "someone/demonstrations", "root": None, "episodes": None, **dataset},
        "env": env,
        "policy": json.loads((folder / "config.json").read_text()),
        "seed": 7,
        "steps": 4321,
        "batch_size": 96,
        "optimizer": {"type": "adamw", "lr": 0.00031, "weight_decay": 0.0012},
        "scheduler": {"type": "cosine_annealing_with_warmup", "num_warmup_steps": 333},
        "eval": {"n_episodes": 20},
    }
    (folder / "train_config.json").write_text(json.dumps(content))


def add_eval_info(folder: Path, outcomes: list[bool] = OUTCOMES, rewards: list[float] = REWARDS, **tasks: Any) -> None:
    """eval_info.json of one environment, `pusht` unless `group` says otherwise."""
    metrics = {"successes": outcomes, "max_rewards": rewards, "sum_rewards": rewards, "video_paths": []}
    content = {"per_task": [{"task_group": tasks.get("group", "pusht"), "task_id": 0, "metrics": metrics}]}
    (folder / "eval_info.json").write_text(json.dumps(content))


def add_report(folder: Path, first_seed: int = 5000, **fields: Any) -> dict[str, Any]:
    """report.json, written by the package's own report on eval_info.json."""
    write_report(read_report(folder / "eval_info.json", first_seed=first_seed, **fields), folder / "report.json")
    return json.loads((folder / "report.json").read_text())
