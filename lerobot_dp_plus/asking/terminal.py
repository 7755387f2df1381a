"""A question at the terminal."""

import os
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

from lerobot_dp_plus.asking.question import Question

try:
    import select
    import termios
except ImportError:  # not a POSIX system: nobody could be waited for with a time-out
    termios = None  # type: ignore[assignment]


def is_there() -> bool:
    """Whether somebody can be asked: standard input is a terminal that can be waited for."""
    try:
        return termios is not None and sys.stdin.isatty()
    except (AttributeError, ValueError):  # none, or closed
        return False


def answer(question: Question, seconds: float) -> int | None:
    """The number of a mode, or a word of its name, that is typed within so many seconds, as a number; None if none is.

    What was typed before the question does not answer it, and what is no number of a mode is asked for again.
    """
    place, count, end = sys.stdin.fileno(), len(question.weights), time.monotonic() + seconds
    print("\n".join(described(question)), flush=True)
    termios.tcflush(place, termios.TCIFLUSH)
    while True:
        by_name = ", or a word of its name" if question.names else ""
        print(f"which one, 0 to {count - 1}{by_name}? ({max(0.0, end - time.monotonic()):.0f} s) ", end="", flush=True)
        if not select.select([place], [], [], max(0.0, end - time.monotonic()))[0]:
            print("no answer: the rule chooses", flush=True)
            return None
        typed = os.read(place, 1024).decode(errors="replace")
        if not typed:  # closed
            return None
        number = question.named(typed)
        if number is None and typed.strip().isdecimal():
            number = int(typed)
        if number is not None and number < count:
            return number


def described(question: Question) -> list[str]:
    """The question in words, a line for each mode, and where its picture is."""
    whose = f" (observation {question.number + 1} of {question.of})" if question.of > 1 else ""
    lines = [f"{len(question.weights)} ways to go on{whose}:"]
    for number, (weight, end) in enumerate(zip(question.weights, question.ends, strict=True)):
        name = f" {question.names[number]}," if question.names else ""
        lines.append(
            f"  {number}: {100 * weight:3.0f} %,{name} leads to ({', '.join(f'{value:.4g}' for value in end)})"
        )
    try:
        lines.append(f"picture: {question.save(Path(_folder().name) / 'modes.png')}")
    except ImportError:
        lines.append("picture: matplotlib is not installed")
    return lines


@cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    """Where pictures are; it goes when the process ends."""
    return tempfile.TemporaryDirectory(prefix="dp_plus_ask_")
