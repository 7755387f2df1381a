"""How long an update takes, through each loader, side by side: what the minutes of a training are reckoned with.

A loader feeds any policy, and all three give the same batches bit for bit (`tests/benchmarks/test_pace.py` trains through each
and compares the weights). So a policy is trained once, and

    minutes = updates × seconds an update of that policy through that loader

where the seconds are measured by short trainings of the same commands, which take turns in one process with one thread. The
processes of LeRobot's workers come on top of that thread. An update's seconds are the mean over those after the warm-up, as
batches of workers come in bursts; of several rounds the median counts.
"""

import contextlib
import io
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from lerobot.scripts import lerobot_train
from tqdm import tqdm

from benchmarks.common import processor, provenance, summary, write_json
from benchmarks.judged import digest, training_key
from benchmarks.paired import run
from lerobot_dp_plus import cli

#: Who trains, and what tables call it.
SIDES = {"ours": "ours", "host": "LeRobot's diffusion"}


@dataclass(frozen=True)
class Loader:
    """A way to the samples: from memory or by LeRobot's dataset, with so many workers; how many updates tell its pace."""

    title: str
    memory: bool
    workers: int
    warm_up: int
    updates: int

    @property
    def flags(self) -> tuple[str, ...]:
        """What `dp-plus train` is told."""
        return (f"fast_loading={'true' if self.memory else 'false'}", f"--num_workers={self.workers}")


#: LeRobot's own default is 4 workers. Those begin with batches of their own each, so their warm-up is longer.
LOADERS = {
    "memory": Loader("our loader", True, 0, warm_up=3, updates=30),
    "host": Loader("LeRobot's loader, no workers", False, 0, warm_up=2, updates=8),
    "host4": Loader("LeRobot's loader, 4 workers", False, 4, warm_up=8, updates=24),
}


@contextlib.contextmanager
def stopwatch() -> Iterator[list[tuple[float, float]]]:
    """(when it ended, seconds it waited for data) of every training step of LeRobot's script while open."""
    seen: list[tuple[float, float]] = []

    class Stopwatch(lerobot_train.MetricsTracker):  # type: ignore[name-defined, misc]
        def step(self) -> None:
            super().step()
            seen.append((time.perf_counter(), self.dataloading_s.val))

    with patch.object(lerobot_train, "MetricsTracker", Stopwatch):
        yield seen


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Holds back what the training says; shows it if the training fails."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            yield
    except BaseException:
        print(said.getvalue())
        raise


def pace(steps: Sequence[tuple[float, float]], warm_up: int) -> dict[str, float]:
    """Seconds an update, and the share of them it waited for data, of what a stopwatch saw after the warm-up."""
    walls = np.diff([finished for finished, _ in steps])[warm_up - 1 :]
    waits = np.array([waited for _, waited in steps])[warm_up:]
    return {"seconds": float(walls.mean()), "share_waiting": float(waits.sum() / walls.sum())}


def measure(
    commands: Mapping[str, Sequence[str]], rounds: int, loaders: Mapping[str, Loader], more: Sequence[str] = ()
) -> dict[str, dict[str, Any]]:
    """Seconds an update of `side + loader`, by short trainings in this process; a command is what follows `train`."""
    found: dict[str, list[dict[str, float]]] = {f"{side} + {loader}": [] for side in commands for loader in loaders}
    order = [(side, loader) for _ in range(rounds) for side in commands for loader in loaders]
    with tempfile.TemporaryDirectory() as scratch:
        for number, (side, name) in enumerate(tqdm(order, desc="pace", unit="run", leave=False)):
            loader = loaders[name]
            steps = loader.warm_up + loader.updates
            short = [f"--steps={steps}", f"--log_freq={steps + 1}", "--save_checkpoint=false", "--env_eval_freq=0"]
            line = ["train", *commands[side], *loader.flags, *short, f"--output_dir={scratch}/{number}", *more]
            with stopwatch() as seen, quiet():
                if status := cli.main(line):
                    raise RuntimeError(f"dp-plus {' '.join(line)} ended with {status}")
            found[f"{side} + {name}"].append(pace(seen, loader.warm_up))
    return {
        name: {key: summary([run[key] for run in runs]) for key in ("seconds", "share_waiting")}
        for name, runs in found.items()
    }


def pace_file(commands: Mapping[str, Sequence[str]], rounds: int, folder: Path) -> Path:
    """Where `kept_pace` keeps what it finds of these trainings on this processor."""
    keys = {side: training_key(command) for side, command in commands.items()}
    return folder / f"pace_{digest(keys, rounds, processor())}.json"


def kept_pace(commands: Mapping[str, Sequence[str]], rounds: int, folder: Path, again: bool = False) -> dict[str, Any]:
    """What `measure` finds of these trainings in a process of its own, with one thread; kept in `folder` unless `again`."""
    told = {side: list(command[command.index("train") + 1 :]) for side, command in commands.items()}
    kept = pace_file(commands, rounds, folder)
    if again or not kept.exists():
        asked = kept.with_suffix(".asked.json")
        write_json(asked, {"commands": told, "rounds": rounds})
        run([sys.executable, "-m", "benchmarks.pace", str(asked), str(kept)], kept.with_suffix(".log"))
    return json.loads(kept.read_text())


def minutes(found: Mapping[str, Any], side: str, loader: str, updates: int) -> float:
    """Minutes of so many updates of this side through this loader, by what `kept_pace` gave."""
    return updates * found["paces"][f"{side} + {loader}"]["seconds"]["median"] / 60


def main(arguments: Sequence[str]) -> int:
    asked, kept = map(Path, arguments)
    told = json.loads(asked.read_text())
    begun = provenance(kept)
    write_json(kept, begun | told | {"paces": measure(told["commands"], told["rounds"], LOADERS)})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
