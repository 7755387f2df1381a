"""Ours and LeRobot's `diffusion` side by side: each trained and evaluated in a process of its own, offline, one thread."""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import ROOT
from benchmarks.contenders import IMAGE, equal_dims, fresh, parameters
from lerobot_dp_plus.policies.precision import emulated

ENTRY = "import sys; from lerobot_dp_plus.cli import main; sys.exit(main())"
#: LeRobot's keypoint recipe: horizon 16, 8 executed, batch 64; ten DDIM calls, or evaluation would outlast the training.
HOST = {
    "horizon": 16,
    "n_action_steps": 8,
    "noise_scheduler_type": "DDIM",
    "num_inference_steps": 10,
}
#: Random weights, where the default is fetched from the network; those need GroupNorm.
PICTURES = (
    "--policy.crop_shape=[84,84]",
    "--policy.pretrained_backbone_weights=null",
    "--policy.use_group_norm=true",
)
#: What the folder of its training through our loader is called.
HOST_FOLDER = "LeRobot's diffusion, our loader"
#: Flag of its evaluation: ours runs in float32 whatever it was trained in, LeRobot's else as its saved `use_amp` says.
IN_FLOAT32 = "--policy.use_amp=false"
#: Without this its default feeds keypoints to the network as they are, from 0 to 512, and it learns next to nothing.
NORMALISED = {"STATE": "MIN_MAX", "ENV": "MIN_MAX", "ACTION": "MIN_MAX"}


def dp_plus(*arguments: str) -> list[str]:
    """The command line of `dp-plus` with these arguments."""
    return [sys.executable, "-c", ENTRY, *arguments]


def precision(config: Path, *flags: str, device: str = "cpu") -> str:
    """The number format both sides train in: that of the training config in the file `config`, or float32.

    It is float32 where this device is slower in the config's, unless a flag `--policy.dtype` says otherwise.
    """
    told = [flag.partition("=")[2] for flag in flags if flag.startswith("--policy.dtype=")]
    if told:
        return told[-1]
    own = json.loads(config.read_text())["policy"].get("dtype", "float32")
    return "float32" if emulated(own, device) else own


def our_training(
    config: Path, root: Path, seed: int, *flags: str, steps: int | None = None, device: str = "cpu"
) -> list[str]:
    """The command line that trains by the training config in the file `config`; `steps` updates, or the config's.

    In the number format of `precision`.
    """
    updates = [f"--steps={steps}"] if steps else []
    told = (f"--config_path={config.resolve()}", f"--policy.device={device}", *data_flags(root, seed))
    chosen, own = precision(config, *flags, device=device), json.loads(config.read_text())["policy"].get("dtype")
    changed = [f"--policy.dtype={chosen}"] if chosen != (own or "float32") else []
    return dp_plus("train", *told, *updates, *flags, *changed)


def our_steps(config: Path, steps: int | None = None) -> int:
    """Updates of our training: `steps`, or those of the training config in the file `config`."""
    return steps or json.loads(config.read_text())["steps"]


def steps_of(command: Sequence[str], config: Path) -> int:
    """Updates of a training command; those of the training config in the file `config` if it does not say."""
    told = [int(flag.partition("=")[2]) for flag in command if flag.startswith("--steps=")]
    return told[-1] if told else our_steps(config)


def host_training(
    config: Any, *flags: str, steps: int, our_steps: int, normalised: bool = True, device: str = "cpu"
) -> list[str]:
    """The command line of LeRobot's own script, with its `diffusion` of as many parameters as a policy of `config` has.

    It trains for `steps` updates, the same share of them with a rising learning rate as ours of `our_steps`; its default is
    500 whatever their number. Where ours trains in half precision, so does it, in bfloat16 on a CPU, float16 on a GPU.
    Its keypoints are normalised as ours, or go in as they are, which is its default. From pixels its U-Net alone has as many,
    and its image encoder another 11 M; it sees what ours sees in use, and its pictures as in its published recipe.
    """
    warm_up = max(1, round(config.scheduler_warmup_steps / our_steps * steps))
    dims = equal_dims(parameters(fresh(config).policy))
    mapping = f"--policy.normalization_mapping={json.dumps(NORMALISED | {'VISUAL': 'MEAN_STD'})}"
    inputs = {key: config.input_features[key] for key in config.observed_features}
    described = {key: {"type": feature.type.name, "shape": list(feature.shape)} for key, feature in inputs.items()}
    sees = (f"--policy.input_features={json.dumps(described)}", *PICTURES) if IMAGE in inputs else ()
    return [
        *(sys.executable, "-m", "lerobot.scripts.lerobot_train", "--policy.type=diffusion"),
        *("--policy.push_to_hub=false", f"--policy.device={device}", f"--policy.down_dims={list(dims)}"),
        *(f"--policy.{name}={value}" for name, value in HOST.items()),
        *([mapping] if normalised else []),
        *sees,
        *(["--policy.use_amp=true"] if config.dtype != "float32" else []),
        *(f"--policy.scheduler_warmup_steps={warm_up}", f"--steps={steps}"),
        *("--batch_size=64", "--num_workers=0", *flags),
    ]


def host_updates(config: Any) -> int:
    """Updates of LeRobot's training if nothing is said: about two hours of one core through our loader, well past our minutes."""
    return 4000 if IMAGE in config.input_features else 16_000


def host_through_our_loader(config: Any, root: Path, seed: int, *, steps: int, **how: Any) -> list[str]:
    """`host_training`'s policy, data and updates through `dp-plus train`, whose loader serves any policy. Eight checkpoints."""
    told = (*data_flags(root, seed), "--env_eval_freq=0", "--log_freq=500", f"--save_freq={max(1, steps // 8)}")
    script = ("-m", "lerobot.scripts.lerobot_train")
    line = host_training(config, *told, steps=steps, **how)
    return dp_plus("train", *line[1 + len(script) :])


def add_normalised(parser: argparse.ArgumentParser) -> None:
    """The option that chooses how LeRobot's policy sees keypoints."""
    explained = "LeRobot's keypoints as ours; its default leaves them from 0 to 512"
    parser.add_argument("--normalised", action=argparse.BooleanOptionalAction, default=True, help=explained)


def data_flags(root: Path, seed: int) -> tuple[str, ...]:
    """What both trainings are told alike: the dataset and the seed."""
    return "--dataset.repo_id=local/pusht", f"--dataset.root={root.resolve()}", f"--seed={seed}"


def resumed(command: Sequence[str]) -> list[str]:
    """How a training command begins that goes on from a checkpoint: its program alone, as the checkpoint holds the rest."""
    return list(command[: command.index("train") + 1] if "train" in command else command[:3])


def running(argument: str) -> int | None:
    """The number of a process that has this argument, if any; known on Linux alone."""
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if argument.encode() in line.read_bytes().split(b"\0"):
                return int(line.parent.name)
        except OSError:  # it has ended, or is not ours to look at
            continue
    return None


def start(command: Sequence[str], log: Path) -> tuple[subprocess.Popen[bytes], float]:
    """Start a process with one thread, offline; it and when it began."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    with log.open("ab") as file:  # what an interrupted part said is kept
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
