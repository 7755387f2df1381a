"""From demonstrations to a measured policy: `dp-plus demo`, which is what `make demo` runs.

Training and evaluation are LeRobot's, in this one process. What is finished is kept, what was interrupted goes on:

    outputs/demo/request.json    what was asked for; another request moves the folder aside
    outputs/demo/train/          LeRobot's output_dir, checkpoints/last is the one evaluated
    outputs/demo/eval/           eval_info.json, videos/, action_distribution.png, report.json
"""

import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from rich.console import Console

from lerobot_dp_plus.evaluation.evaluate import evaluate
from lerobot_dp_plus.evaluation.options import DEMO_CONFIG, demo_parser
from lerobot_dp_plus.evaluation.report import print_report
from lerobot_dp_plus.hub.files import write_whole
from lerobot_dp_plus.policies.folders import ASSETS, at_hand

Run = Callable[[str, list[str]], None]  # a script of LeRobot's, by name, with its arguments

DATASET = ASSETS / "pusht_demos"

# What LeRobot's log says between progress bars in the demo; its dumps of whole configurations are left out.
WORTH_SAYING = (
    "step:",
    "Checkpoint policy",
    "Resuming",
    "Start offline",
    "Output dir",
    "dataset.num_",
    "num_learnable",
)


def main(argv: Sequence[str], run: Run) -> int:
    """Trains, evaluates, reports; `argv` is ours where the parser knows it, and LeRobot's train's otherwise."""
    options, overrides = demo_parser().parse_known_args(argv)
    root = options.root or DATASET
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing here is on the Hub; a mistake should not wait for it
    # A second thread gains 4 % on a network this small, and on a busy machine waiting for it costs several times that.
    torch.set_num_threads(1)
    console = Console()
    clock = Clock(console)
    config = find_config(options.config_path)
    if not (root / "meta" / "info.json").is_file():
        raise FileNotFoundError(f"dataset.root={str(root)!r} holds no meta/info.json; expected a LeRobotDataset.")
    keep_or_move_aside(options.output_dir, request(config, root, overrides), console)
    with only_worth_saying():
        with clock.stage("train"):
            train(config, root, options.output_dir / "train", overrides, run)
        with clock.stage("evaluate"):
            report = evaluate(
                options.output_dir / "train", options.output_dir / "eval", options.episodes, options.eval_seed
            )
    console.print()
    print_report(report, console)
    clock.print()
    return 0


def find_config(path: Path | None) -> Path:
    """`path`, or the demo's recipe, in the working directory or as it comes along.

    Raises:
        FileNotFoundError: there is none.
    """
    found = at_hand(path or DEMO_CONFIG)
    if not found.is_file():
        raise FileNotFoundError(f"no training recipe at {found}; give one with --config_path=FILE.")
    return found


def request(config: Path, root: Path, overrides: Sequence[str]) -> str:
    """What a demo was asked to train, as text that two equal requests share."""
    wanted = {"config": json.loads(config.read_text()), "dataset": root.name, "overrides": list(overrides)}
    return json.dumps(wanted, indent=2, sort_keys=True) + "\n"


def keep_or_move_aside(output_dir: Path, wanted: str, console: Console) -> None:
    """Leaves `output_dir` when it answers the same request; otherwise renames it, never deletes it."""
    file = output_dir / "request.json"
    if file.is_file() and file.read_text() == wanted:
        return
    if output_dir.exists() and any(output_dir.iterdir()):
        aside = output_dir.with_name(f"{output_dir.name}.{time.strftime('%Y%m%d-%H%M%S')}")
        output_dir.rename(aside)
        console.print(f"the recipe differs from the one in {output_dir}: that folder is now {aside}")
    write_whole(file, wanted)


def train(config: Path, root: Path, output_dir: Path, overrides: Sequence[str], run: Run) -> None:
    """Trains into `output_dir`, goes on where a training was interrupted, or does nothing when it is finished."""
    last = output_dir / "checkpoints" / "last"
    state = last / "training_state" / "training_step.json"
    if not state.is_file():
        if output_dir.exists():  # a training killed before its first whole checkpoint; LeRobot wants a fresh folder
            shutil.rmtree(output_dir)
        run("train", [f"--config_path={config}", f"--dataset.root={root}", f"--output_dir={output_dir}", *overrides])
        return
    saved = last / "pretrained_model" / "train_config.json"
    step, steps = json.loads(state.read_text())["step"], json.loads(saved.read_text())["steps"]
    if step >= steps:
        print(f"this training is finished already: {step} steps in {last}")
        return
    print(f"going on after step {step} of {steps}")
    run("train", [f"--config_path={saved}", "--resume=true", f"--dataset.root={root}", f"--output_dir={output_dir}"])


class Clock:
    """Wall clock of named stages."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Announces the stage and times it."""
        self.console.rule(f"[bold]{name}", align="left")
        start = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - start

    def print(self) -> None:
        """One line: every stage and their sum."""
        parts = [f"{name} {_minutes(seconds)}" for name, seconds in self.seconds.items()]
        self.console.print(f"wall clock: {', '.join(parts)}; together {_minutes(sum(self.seconds.values()))}")


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"


@contextmanager
def only_worth_saying() -> Iterator[None]:
    """While open, LeRobot's INFO lines other than `WORTH_SAYING` stay off the terminal; warnings pass."""

    def worth(record: logging.LogRecord) -> bool:
        return record.levelno > logging.INFO or any(text in record.getMessage()[:80] for text in WORTH_SAYING)

    loggers = [logging.getLogger(name) for name in ("", "lerobot.scripts.lerobot_eval")]
    for logger in loggers:
        logger.addFilter(worth)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(worth)
