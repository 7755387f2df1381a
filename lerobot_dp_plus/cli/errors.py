"""One clear message for what goes wrong.

LeRobot's parser answers an unknown flag with 30,000 characters of usage, and drops the reason when a config's own
check refuses a value (draccus keeps only "couldn't instantiate class"). `plain_parsing` turns both into exceptions
that carry the reason, and `explain` words any exception a user can act on.
"""

import argparse
import difflib
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from lerobot_dp_plus.cli.extras import missing_extra
from lerobot_dp_plus.patches import replaced


class UsageError(Exception):
    """The command line cannot be understood; the message is complete."""


# Raised on purpose for a user to read; anything else is a defect and keeps its traceback.
ANSWERABLE = (
    *(UsageError, argparse.ArgumentError, ValueError, FloatingPointError),
    *(FileNotFoundError, FileExistsError, PermissionError, NotADirectoryError, IsADirectoryError),
)
# What a Hub or a network says, known by name so that nothing is imported to ask.
OF_THE_NETWORK = {
    ("httpx", "HTTPError"),
    ("huggingface_hub", "HfHubHTTPError"),
    ("huggingface_hub", "OfflineModeIsEnabled"),
}


def near_miss(word: str, known: list[str]) -> str:
    """` Did you mean …?` when something close to `word` exists, else nothing."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""


class _NeverRaised(Exception):
    """Stands in for the exception that LeRobot's parser turns into an exit status, so that it never meets one."""


@contextmanager
def plain_parsing() -> Iterator[None]:
    """While LeRobot parses: unknown flags raise `UsageError`, and decoding errors reach the caller whole."""
    from draccus.wrappers.suppressing_argparse import SuppressingArgumentParser
    from lerobot.configs import parser

    def error(self: argparse.ArgumentParser, message: str) -> NoReturn:
        options = [option for action in self._actions for option in action.option_strings]
        unknown = [word.split("=", 1)[0] for word in re.findall(r"--[\w.\-]+", message)]
        hint = near_miss(unknown[0], options) if message.startswith("unrecognized") and unknown else ""
        choice = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
        if choice:
            hint = near_miss(choice[1], re.findall(r"'([^']*)'", choice[2]))
        raise UsageError(f"{message}.{hint}")

    with (
        replaced(SuppressingArgumentParser, "error", error),
        replaced(parser, "DecodingError", _NeverRaised),
    ):
        yield


def is_usage(error: BaseException) -> bool:
    """Whether the command line or a config is to blame, and not a checkpoint that cannot be read."""
    if _is_draccus(error):
        behind: BaseException | None = error
        while behind is not None and type(behind).__name__ != "CheckpointUnreadable":
            behind = behind.__cause__
        return behind is None
    return isinstance(error, (UsageError, argparse.ArgumentError))


def _is_draccus(error: BaseException) -> bool:
    return any(cls.__name__ == "DraccusException" for cls in type(error).__mro__)


def is_plain(error: BaseException) -> bool:
    """Whether the message of `error` is enough: the place in the code would tell a user nothing."""
    return (
        _is_draccus(error)
        or isinstance(error, (UsageError, argparse.ArgumentError, FileNotFoundError, ImportError))
        or of_the_network(error)
    )


def of_the_network(error: BaseException) -> bool:
    """Whether the Hub said no, or nobody answered."""
    return any((cls.__module__.split(".")[0], cls.__name__) in OF_THE_NETWORK for cls in type(error).__mro__)


def is_answerable(error: BaseException) -> bool:
    """Whether `error` says by itself what the user should change."""
    if isinstance(error, ImportError):
        return missing_extra(error) is not None
    return isinstance(error, ANSWERABLE) or _is_draccus(error) or of_the_network(error)


def explain(error: BaseException) -> str:
    """The message of `error`; for a refused config, the reason the config itself gave."""
    if isinstance(error, ImportError) and (told := missing_extra(error)) is not None:
        return told
    text = str(error)
    if _is_draccus(error):
        from lerobot_dp_plus.policies.parsing_words import reasons, worded

        text = worded([error, *reasons(error)][-1])
    if of_the_network(error):
        text = f"the Hub or the network failed: {' '.join(text.split())}"
    return text.strip() or type(error).__name__


def last_checkpoint(error: BaseException) -> tuple[Path | None, int | None]:
    """The last complete checkpoint of the training that `error` ended, and the step it had reached."""
    for each, _ in traceback.walk_tb(error.__traceback__):
        frame = each.f_locals
        output_dir = getattr(frame.get("cfg"), "output_dir", None)
        if isinstance(frame.get("step"), int) and output_dir is not None:
            last = Path(output_dir) / "checkpoints" / "last"
            return (last if last.exists() else None), frame["step"]
    return None, None


def where(error: BaseException) -> str:
    """`file.py:line` that raised `error`."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown place"


def say(message: str) -> None:
    """Prints `message` for people: standard error, never in the way of a program's output."""
    print(message, file=sys.stderr, flush=True)
