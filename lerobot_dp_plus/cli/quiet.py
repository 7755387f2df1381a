"""What LeRobot prints at length, in a line: dumps of configs, progress bars in log files, torchcodec's absence.

Each is a change of this process's printing, for as long as a context is open; no number depends on it.
"""

import functools
import importlib
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any, TextIO
from unittest.mock import patch

from lerobot_dp_plus.patches import replaced

#: Seconds between two lines of a progress bar where there is no terminal; shorter work has none.
BETWEEN_LINES = 60.0
_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|\r")
_NO_TORCHCODEC = "torchcodec cannot load here (no system ffmpeg): videos are read with pyav."


@contextmanager
def quiet(script: ModuleType, show_config: bool = False) -> Iterator[None]:
    """All of it for one of LeRobot's scripts; `show_config` lets its dump of the config through."""
    with ExitStack() as stack:
        stack.enter_context(plain_bars())
        if not show_config and hasattr(script, "pformat"):
            stack.enter_context(replaced(script, "pformat", fold(script.pformat)))
        if hasattr(script, "make_train_eval_datasets"):
            stack.enter_context(told_of_videos(script))
        if hasattr(script, "get_package_version"):
            stack.enter_context(replaced(script, "get_package_version", loadable(script.get_package_version)))
        yield


def fold(pformat: Callable[..., str]) -> Callable[..., str]:
    """`pformat` that gives one line for a whole configuration, and passes anything else on."""

    def folded(value: Any, *args: Any, **options: Any) -> str:
        if not isinstance(value, Mapping) or len(value) < 4:
            return pformat(value, *args, **options)
        types = (
            f"{name} {each['type']}" for name, each in value.items() if isinstance(each, Mapping) and "type" in each
        )
        parts = ", ".join([*types, f"{len(value)} entries"])
        return f"Configuration: {parts}; show_config=true prints all of it"

    return folded


@contextmanager
def plain_bars(stream: TextIO | None = None) -> Iterator[None]:
    """While open, a tqdm bar on a `stream` (standard error) that is no terminal is a plain line a minute.

    TQDM_MININTERVAL, tqdm's own variable, sets other seconds.
    """
    bars = importlib.import_module("tqdm.std").tqdm
    original = bars.__init__

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **options: Any) -> None:
        out = stream or sys.stderr
        # A file given by position is the fifth argument.
        if options.get("file") is None and len(args) < 5 and not out.isatty():
            seconds = float(os.environ.get("TQDM_MININTERVAL", BETWEEN_LINES))
            options |= {"file": _Lines(out), "mininterval": seconds, "maxinterval": max(10.0, 2 * seconds)}
            options |= {"delay": seconds, "dynamic_ncols": False, "ncols": 0}
        original(self, *args, **options)

    with patch.object(bars, "__init__", __init__):
        yield


class _Lines:
    """A stream without a cursor. What tqdm draws again becomes a line; what it only erases is not written."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.last = stream, ""

    def write(self, text: str) -> int:
        line = _CONTROL.sub("", text).strip()
        if line and line != self.last:
            self.stream.write(line + "\n")
            self.last = line
        return len(text)

    def flush(self) -> None:
        self.stream.flush()

    def isatty(self) -> bool:
        return False


@contextmanager
def told_of_videos(script: ModuleType) -> Iterator[None]:
    """While open, a training says that torchcodec is absent if its dataset has videos, and only then."""
    original = script.make_train_eval_datasets

    def make_train_eval_datasets(cfg: Any) -> Any:
        made = original(cfg)
        if absent_torchcodec() and cfg.dataset.video_backend == "pyav" and made[0].meta.video_keys:
            logging.getLogger(__name__).info(_NO_TORCHCODEC)
        return made

    with replaced(script, "make_train_eval_datasets", make_train_eval_datasets):
        yield


def hold_back_torchcodec() -> None:
    """From now on LeRobot's 100 lines about a missing ffmpeg are not printed: it reads videos with pyav all the same."""
    logger = logging.getLogger("lerobot.utils.import_utils")
    if not hasattr(logger, "dp_plus_torchcodec"):
        logger.dp_plus_torchcodec = False  # type: ignore[attr-defined]

        def held_back(record: logging.LogRecord) -> bool:
            about = "torchcodec" in record.getMessage()
            logger.dp_plus_torchcodec |= about  # type: ignore[attr-defined]
            return not about

        logger.addFilter(held_back)


def absent_torchcodec() -> bool:
    """Whether LeRobot has found, since `hold_back_torchcodec`, that torchcodec cannot be loaded."""
    return bool(getattr(logging.getLogger("lerobot.utils.import_utils"), "dp_plus_torchcodec", False))


def loadable(version: Callable[[str], str]) -> Callable[[str], str]:
    """`version`, by which `lerobot info` asks for a package's version, with an answer for one that cannot be loaded."""

    def asked(package: str) -> str:
        try:
            return version(package)
        except (OSError, RuntimeError) as error:
            return f"N/A (cannot be loaded: {str(error).strip().splitlines()[0]})"

    return asked
