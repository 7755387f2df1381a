"""`main`: finds the subcommand, runs it, and turns what goes wrong into a message and an exit status.

Exit status: 0 done, 1 failed, 2 the command line cannot be understood, 130 interrupted.
"""

import importlib.metadata
import os
import sys
from collections.abc import Sequence

from lerobot_dp_plus.cli import host
from lerobot_dp_plus.cli.commands import OURS
from lerobot_dp_plus.cli.errors import (
    explain,
    is_answerable,
    is_plain,
    is_usage,
    last_checkpoint,
    near_miss,
    say,
    where,
)

TRACEBACK_SWITCH = "DP_PLUS_TRACEBACK"


def help_text() -> str:
    """The page `--help` prints."""
    ours = "\n".join(f"  {name:<14} {command.summary}" for name, command in OURS.items())
    return f"""usage: lerobot SUBCOMMAND [key=value | --key=value] …      (dp-plus is the same command)

Subcommands of this package
{ours}

LeRobot's own, with the dp_plus policies registered
  {", ".join(host.scripts())}

Short forms: policy=TYPE or policy=DIR_OR_REPO, env=TYPE, dataset=DIR_OR_REPO, robot=TYPE, teleop=TYPE
  lerobot train policy=dp_plus_transformer dataset=lerobot/pusht env=pusht steps=1000
  lerobot train --config_path=configs/demo_pusht.json
  lerobot train policy=dp_plus_flow dataset=data/mine steps=20000
  lerobot eval policy=outputs/demo/train env=pusht

Training reads from memory what fits memory_limit_gb={host.DEFAULT_MEMORY_GB:g}; fast_loading=false turns that off.
cache_dir=DIR keeps decoded frames beyond that on disk. show_config=true prints the whole configuration first.
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
            return OURS[subcommand](rest)
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
        bare = not rest and not hint and isinstance(error, ValueError)  # LeRobot's word for what must be given
        usage = is_usage(error) or bare
        if not usage and not is_plain(error):
            place = f"\n({type(error).__name__} at {where(error)}; {TRACEBACK_SWITCH}=1 for the trace)"
        see = "" if rest or not usage else f" (`lerobot {subcommand} --help` lists its options)"
        say(f"error: {explain(error)}{see}{hint}{place}")
        return 2 if usage else 1


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
