"""`main`: finds the subcommand, runs it, and turns what goes wrong into a message and an exit status.

Exit status: 0 done, 1 refused or failed, 2 unknown subcommand, 130 interrupted.
"""

import importlib
import importlib.metadata
import os
import sys
from collections.abc import Callable, Sequence

from lerobot_dp_plus.cli import host
from lerobot_dp_plus.cli.arguments import translate
from lerobot_dp_plus.cli.errors import (
    UsageError,
    explain,
    is_answerable,
    is_usage,
    last_checkpoint,
    near_miss,
    say,
    where,
)

TRACEBACK_SWITCH = "DP_PLUS_TRACEBACK"


def _demo(arguments: list[str]) -> int:
    return importlib.import_module("lerobot_dp_plus.evaluation.demo").main(translate(arguments), host.run)


def _evaluate(arguments: list[str]) -> int:
    return importlib.import_module("lerobot_dp_plus.evaluation.evaluate").main(translate(arguments), host.run)


def _report(arguments: list[str]) -> int:
    return importlib.import_module("lerobot_dp_plus.evaluation.report").main(arguments)


def _demos(arguments: list[str]) -> int:
    tasks = ("pusht", "pusht_rollouts", "aloha", "push")
    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"usage: dp-plus demos {{{','.join(tasks)}}} [options]; dp-plus demos TASK --help lists them")
        return 0 if arguments else 2
    if arguments[0] not in tasks:
        raise UsageError(
            f"demos {arguments[0]!r} is unknown; legal: {', '.join(tasks)}.{near_miss(arguments[0], [*tasks])}"
        )
    return importlib.import_module(f"lerobot_dp_plus.demos.{arguments[0]}").main(arguments[1:])


def _convert(arguments: list[str]) -> int:
    return importlib.import_module("lerobot_dp_plus.demos.convert").main(arguments)


def _publish(arguments: list[str]) -> int:
    return importlib.import_module("lerobot_dp_plus.publishing.publish").main(arguments)


def _import_lerobot(arguments: list[str]) -> int:
    return importlib.import_module("lerobot_dp_plus.publishing.import_lerobot").main(arguments)


def _average(arguments: list[str]) -> int:
    return importlib.import_module("lerobot_dp_plus.publishing.average").main(arguments)


OURS: dict[str, tuple[Callable[[list[str]], int], str]] = {
    "average": (_average, "the mean of a training's late checkpoints as one policy"),
    "demo": (_demo, "train on the packaged PushT demonstrations, evaluate, draw; what `make demo` runs"),
    "demos": (_demos, "write demonstrations as a LeRobotDataset: dp-plus demos pusht --episodes 300 --root DIR"),
    "convert": (_convert, "data of other projects as a LeRobotDataset: dp-plus convert zarr FILE --root DIR"),
    "evaluate": (_evaluate, "LeRobot's eval on PushT, plus interval, latency and a picture of the actions"),
    "import-lerobot": (
        _import_lerobot,
        "a `diffusion` checkpoint of LeRobot as dp_plus_unet: the same actions, faster",
    ),
    "publish": (_publish, "check a checkpoint, render its card and upload both in one commit"),
    "report": (_report, "success with its 95 % interval and score of an eval_info.json LeRobot wrote"),
}


def help_text() -> str:
    """The page `--help` prints."""
    ours = "\n".join(f"  {name:<14} {line}" for name, (_, line) in OURS.items())
    return f"""usage: lerobot SUBCOMMAND [key=value | --key=value] …      (dp-plus is the same command)

Subcommands of this package
{ours}

LeRobot's own, with the dp_plus policies registered
  {", ".join(host.scripts())}

Short forms: policy=TYPE or policy=DIR_OR_REPO, env=TYPE, dataset=REPO, robot=TYPE, teleop=TYPE
  lerobot train policy=dp_plus_transformer dataset=lerobot/pusht env=pusht steps=1000
  lerobot train --config_path=configs/demo_pusht.json
  lerobot eval policy=outputs/demo/train env=pusht --env.obs_type=environment_state_agent_pos

Training reads from memory what fits memory_limit_gb={host.DEFAULT_MEMORY_GB:g}; fast_loading=false turns that off.
cache_dir=DIR keeps decoded frames beyond that on disk.
lerobot SUBCOMMAND --help lists a subcommand's options; {TRACEBACK_SWITCH}=1 shows the full trace of an error."""


def version_text() -> str:
    """Versions of this package and of what it stands on."""
    from lerobot_dp_plus import __version__

    lerobot = importlib.metadata.version("lerobot")
    return f"lerobot_dp_plus {__version__}, lerobot {lerobot}, python {sys.version.split()[0]}"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line `argv` (default: the process's own); returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(help_text())
        return 0 if arguments else 2
    if arguments[0] in ("-V", "--version", "version"):
        print(version_text())
        return 0
    subcommand, rest = arguments[0].replace("_", "-"), arguments[1:]
    known = [*OURS, *host.scripts()]
    if subcommand not in known:
        say(f"error: unknown subcommand {arguments[0]!r}.{near_miss(subcommand, known)}\nlegal: {', '.join(known)}")
        return 2
    try:
        if subcommand in OURS:
            return OURS[subcommand][0](rest)
        host.run(subcommand, rest)
        return 0
    except KeyboardInterrupt as interrupt:
        say(f"\ninterrupted.{_resume_hint(interrupt)}")
        return 130
    except Exception as error:
        hint = _resume_hint(error)
        if os.environ.get(TRACEBACK_SWITCH) or not is_answerable(error):
            if hint:
                say(hint.strip())
            raise
        place = ""
        if not is_usage(error):
            place = f"\n({type(error).__name__} at {where(error)}; {TRACEBACK_SWITCH}=1 for the trace)"
        say(f"error: {explain(error)}{hint}{place}")
        return 1


def _resume_hint(error: BaseException) -> str:
    """Where a stopped training stands and how to go on; empty when no training was running."""
    checkpoint, step = last_checkpoint(error)
    if step is None:
        return ""
    if checkpoint is None:
        return f"\ntraining stopped in step {step + 1}, before its first checkpoint."
    config = checkpoint / "pretrained_model" / "train_config.json"
    return (
        f"\ntraining stopped in step {step + 1}; last good checkpoint: {checkpoint} ({checkpoint.resolve().name})"
        f"\ngo on with: lerobot train --config_path={config} --resume=true"
    )
