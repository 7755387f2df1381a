"""Ours and LeRobot's `diffusion` side by side: each trained and evaluated in a process of its own, offline, one thread."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.contenders import ROOT, equal_dims, fresh, parameters

ENTRY = "import sys; from lerobot_dp_plus.cli import main; sys.exit(main())"
#: LeRobot's keypoint recipe: horizon 16, 8 executed, batch 64; ten DDIM calls, or evaluation would outlast the training.
HOST = {
    "horizon": 16,
    "n_action_steps": 8,
    "noise_scheduler_type": "DDIM",
    "num_inference_steps": 10,
}


def dp_plus(*arguments: str) -> list[str]:
    """The command line of `dp-plus` with these arguments."""
    return [sys.executable, "-c", ENTRY, *arguments]


def host_training(config: Any, *flags: str) -> list[str]:
    """The command line of LeRobot's own script, with its `diffusion` of as many parameters as a policy of `config` has."""
    dims = equal_dims(parameters(fresh(config).policy))
    return [
        *(sys.executable, "-m", "lerobot.scripts.lerobot_train", "--policy.type=diffusion"),
        *("--policy.push_to_hub=false", "--policy.device=cpu", f"--policy.down_dims={list(dims)}"),
        *(f"--policy.{name}={value}" for name, value in HOST.items()),
        *("--batch_size=64", "--num_workers=0", *flags),
    ]


def data_flags(root: Path, seed: int) -> tuple[str, ...]:
    """What both trainings are told alike: the dataset and the seed."""
    return "--dataset.repo_id=local/pusht", f"--dataset.root={root.resolve()}", f"--seed={seed}"


def start(command: Sequence[str], log: Path) -> tuple[subprocess.Popen[bytes], float]:
    """Start a process with one thread, offline; it and when it began."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    with log.open("wb") as file:
        return subprocess.Popen(command, stdout=file, stderr=file, env=environment, cwd=ROOT), time.time()


def run(command: Sequence[str], log: Path) -> float:
    """The same to its end; returns seconds.

    Raises:
        RuntimeError: it failed; with the end of what it printed.
    """
    began = time.monotonic()
    process, _ = start(command, log)
    if status := process.wait():
        raise RuntimeError(f"{' '.join(command)} ended with {status}: {log.read_text()[-1500:]}")
    return time.monotonic() - began
