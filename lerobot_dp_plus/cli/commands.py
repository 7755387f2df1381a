"""The subcommands of this package: what each is for, where its options are described, and what runs it."""

import importlib
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from lerobot_dp_plus.cli import host
from lerobot_dp_plus.cli.arguments import translate
from lerobot_dp_plus.cli.errors import UsageError, near_miss, plain_parsing
from lerobot_dp_plus.cli.quiet import hold_back_torchcodec, plain_bars
from lerobot_dp_plus.cli.sources import refuse_missing_dataset


@dataclass(frozen=True)
class Command:
    """A subcommand of ours.

    Args:
        summary: for the list of all.
        parser: `module:function` that describes its options, importing nothing else.
        module: what runs it, by `main(arguments)`, or `main(arguments, run)` where it runs LeRobot's scripts.
        runs_host: which of the two; further options then go on to LeRobot.
        reads_dataset: whether its `dataset` is a folder or repository that must be there.
    """

    summary: str
    parser: str
    module: str
    runs_host: bool = False
    reads_dataset: bool = False

    def __call__(self, arguments: list[str]) -> int:
        """Run it; returns the exit status. `--help` and what is illegal are answered before anything heavy is imported."""
        if self.runs_host:
            arguments = translate(arguments)
            known = _called(self.parser)().parse_known_args(arguments)[0]
        else:
            known = _called(self.parser)().parse_args(arguments)
        if self.reads_dataset:
            hold_back_torchcodec()
            refuse_missing_dataset(known.dataset)
        main = _called(f"{self.module}:main")
        # Such a command parses options of LeRobot's before it runs a script.
        parsing = plain_parsing() if self.runs_host else nullcontext()
        with plain_bars(), parsing:
            return main(arguments, host.run) if self.runs_host else main(arguments)


def _called(place: str) -> Callable[..., Any]:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(f"lerobot_dp_plus.{module}"), name)


@dataclass(frozen=True)
class Demos:
    """`dp-plus demos TASK`, each task a command of its own."""

    summary: str

    def __call__(self, arguments: list[str]) -> int:
        options = importlib.import_module("lerobot_dp_plus.demos.options")
        tasks, task = options.DEMOS, arguments[0] if arguments else "--help"
        if task not in tasks and not task.startswith("-"):
            raise UsageError(f"demos {task!r} is unknown; legal: {', '.join(tasks)}.{near_miss(task, list(tasks))}")
        if task not in tasks:
            options.demos_parser().parse_args(arguments)
        build, summary = tasks[task]
        return Command(summary, f"demos.options:{build.__name__}", f"demos.{task}")(arguments[1:])


OURS: dict[str, Command | Demos] = {
    "average": Command(
        "the mean of a training's late checkpoints as one policy",
        "publishing.options:average_parser",
        "publishing.average",
    ),
    "budget": Command(
        "how late a policy is on this machine, and what of it fits a control rate",
        "evaluation.options:budget_parser",
        "evaluation.budget",
        runs_host=True,
    ),
    "calibrate": Command(
        "thresholds for surprise and strangeness with a stated rate of false alarms",
        "evaluation.options:calibrate_parser",
        "evaluation.calibrate",
        runs_host=True,
    ),
    "compare": Command(
        "is policy A better than B? exact test, interval and a plain sentence, on the same episodes",
        "comparing.options:compare_parser",
        "comparing.compare",
        runs_host=True,
    ),
    "demo": Command(
        "train on the packaged PushT demonstrations, evaluate, draw; what `make demo` runs",
        "evaluation.options:demo_parser",
        "evaluation.demo",
        runs_host=True,
    ),
    "demos": Demos("write demonstrations as a LeRobotDataset: dp-plus demos pusht --episodes 300 --root DIR"),
    "convert": Command(
        "data of other projects as a LeRobotDataset: dp-plus convert zarr FILE --root DIR",
        "demos.convert_options:convert_parser",
        "demos.convert",
    ),
    "doctor": Command(
        "what is wrong with a recording and what to set; can one episode be learned?",
        "doctor.options:doctor_parser",
        "doctor.doctor",
        runs_host=True,
        reads_dataset=True,
    ),
    "evaluate": Command(
        "play episodes as LeRobot's eval does: success with its interval, failures, films, latency",
        "evaluation.options:evaluate_parser",
        "evaluation.evaluate",
        runs_host=True,
    ),
    "explain": Command(
        "what a policy might do and how it comes about: pictures, a film, one page",
        "explaining.options:explain_parser",
        "explaining.explain",
    ),
    "export": Command(
        "a policy as one ONNX file, from raw observations and noise to actions: no torch needed",
        "exporting.options:export_parser",
        "exporting.export",
        runs_host=True,
    ),
    "import-lerobot": Command(
        "a `diffusion` checkpoint of LeRobot as dp_plus_unet: the same actions, faster",
        "publishing.options:import_parser",
        "publishing.import_lerobot",
    ),
    "offline": Command(
        "a policy against held-out actions: error by step and dimension, calibration",
        "offline.options:offline_parser",
        "offline.offline",
        reads_dataset=True,
    ),
    "gaze": Command(
        "boxes of the target for a recording, by a detector or from a mask: for losses of the gaze",
        "seeing.gaze_options:gaze_parser",
        "seeing.gaze",
        reads_dataset=True,
    ),
    "publish": Command(
        "check a checkpoint, render its card and upload both in one commit",
        "publishing.options:publish_parser",
        "publishing.publish",
    ),
    "report": Command(
        "a training or an evaluation as one page: curves, success, failures, films; reads LeRobot's, too",
        "reporting.options:report_parser",
        "reporting.report",
    ),
    "see": Command(
        "states that nobody labelled, learned from a recording's pictures",
        "seeing.options:see_parser",
        "seeing.see",
        reads_dataset=True,
    ),
    "serve": Command(
        "a policy for a robot that asks over a network: the server of LeRobot's robot client",
        "serving.options:serve_parser",
        "serving.serve",
        runs_host=True,
    ),
    "steer": Command(
        "a page on this machine: click a way, draw an obstacle, set a goal, and the policy goes on",
        "steering.options:steer_parser",
        "steering.steer",
    ),
}
