"""`metrics.jsonl`: what a training logs, a line of JSON each time, in its output folder.

    {"step": 200, "loss": 0.31, "grad_norm": 1.2, "lr": 1e-4, "updates_per_s": 21.4, …the parts of the loss…}
    {"step": 1000, "eval_success_percent": 84.0, "eval_episodes": 50, …}

They are the numbers that LeRobot prints and hands to wandb: averages since the line before, over all processes. LeRobot has
no hook for them, but it logs its tracker as a whole, and a filter on the logger sees it. So nothing of LeRobot's is
replaced, and `lerobot-train` writes the file as `lerobot train` does.

A resumed training goes on in the same file. Lines of steps after its checkpoint, of a training that was killed, are dropped:
these steps are trained again.
"""

import json
import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lerobot_dp_plus.hub.files import write_whole

FILE = "metrics.jsonl"
#: Figures of LeRobot's tracker that are not of this policy's learning, or follow from others.
LEFT_OUT = ("steps", "samples", "episodes", "epochs", "update_s", "dataloading_s")
_EVAL_LOSS = re.compile(r"step (\d+): eval_loss=([-+.\deE]+|nan|inf)")
_EVAL_STEP = re.compile(r"Eval policy at step (\d+)")
_END = "End of training"


class MetricsFile:
    """A filter that lets every record through and writes down what it tells of a training.

    Args:
        output_dir: of the training.
        resumed_at: the step of the checkpoint that it goes on from; None for a new training.
    """

    def __init__(self, output_dir: Path, resumed_at: int | None = None):
        self._folder, self._file = output_dir, output_dir / FILE
        self._evaluated: int | None = None
        if resumed_at is not None and self._file.is_file():
            kept = [each for each in read_metrics(self._file) if each["step"] <= resumed_at]
            write_whole(self._file, "".join(json.dumps(each) + "\n" for each in kept))

    def filter(self, record: logging.LogRecord) -> bool:
        """Always True."""
        message, given = record.msg, record.args
        if hasattr(message, "to_dict") and "update_s" in getattr(message, "metrics", ()):
            self._write(figures(message.to_dict()))
        elif isinstance(message, str):
            if found := _EVAL_STEP.fullmatch(message):
                self._evaluated = int(found[1])
            elif found := _EVAL_LOSS.fullmatch(message):
                self._write({"step": int(found[1]), "eval_loss": float(found[2])})
            elif self._evaluated is not None and isinstance(given, tuple) and given[:1] == ("overall",):
                self._write({"step": self._evaluated, **of_evaluation(given[1])})  # type: ignore[arg-type]
            elif message == _END:
                record.msg = (
                    f"{_END}. Evaluate it: dp-plus evaluate {self._folder}; look at it: dp-plus report {self._folder}"
                )
        return True

    def _write(self, line: Mapping[str, Any]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def read_metrics(file: Path) -> list[dict[str, Any]]:
    """The lines of a file; the last may be half there, as after a kill, and is then left out.

    Raises:
        ValueError: another line is no JSON.
    """
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def figures(told: Mapping[str, Any]) -> dict[str, Any]:
    """A line of what LeRobot's tracker tells, {"steps": 200, "loss": 0.31, "update_s": 0.04, …}."""
    seconds = told["update_s"] + told["dataloading_s"]
    rest = {name: value for name, value in told.items() if name not in LEFT_OUT}
    return {"step": told["steps"], **rest, "updates_per_s": 1 / seconds if seconds else None}


def of_evaluation(overall: Mapping[str, Any]) -> dict[str, Any]:
    """A line of what an evaluation in a training tells."""
    names = {
        "pc_success": "eval_success_percent",
        "n_episodes": "eval_episodes",
        "avg_sum_reward": "eval_sum_reward",
        "avg_max_reward": "eval_max_reward",
    }
    return {ours: overall[theirs] for theirs, ours in names.items() if theirs in overall}


def record_metrics(cfg: Any, ours: bool) -> None:
    """Write down what the training of a LeRobot config logs from now on, in its first process; of another's, nothing.

    Args:
        cfg: LeRobot's TrainPipelineConfig, validated.
        ours: whether its policy is one of this package.
    """
    logger = logging.getLogger()
    for old in [each for each in logger.filters if isinstance(each, MetricsFile)]:
        logger.removeFilter(old)
    if not ours or cfg.output_dir is None or int(os.environ.get("RANK", 0)) != 0:
        return
    resumed_at = None
    if cfg.resume:
        state = Path(cfg.checkpoint_path) / "training_state" / "training_step.json"
        resumed_at = json.loads(state.read_text())["step"] if state.is_file() else None
    # First: another filter may keep a record from the terminal, and what comes after it does not see the record.
    logger.filters.insert(0, MetricsFile(Path(cfg.output_dir), resumed_at))
