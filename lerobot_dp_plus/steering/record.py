"""Orders and actions as lines of JSON, and playing them again.

The first line says of what: checkpoint, weights, environment, seed, candidates and way. Every further line is an order that
was carried out; that of a step holds the action.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from lerobot_dp_plus.policies.acting import Loaded
from lerobot_dp_plus.steering.orders import Refused
from lerobot_dp_plus.steering.session import Session

VERSION = 1
HEAD = ("dp_plus_steer", "checkpoint", "weights_sha256", "env", "seed", "candidates", "way")


class Recorder:
    """Writes a line for every order, at once.

    Raises:
        FileExistsError: there is such a file already.
    """

    def __init__(self, file: Path, **head: Any):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._out: TextIO = file.open("x", encoding="utf-8")
        except FileExistsError:
            raise FileExistsError(f"record = {file}: there is such a file already; name another") from None
        self({"dp_plus_steer": VERSION, **head})

    def __call__(self, line: Mapping[str, Any]) -> None:
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()

    def close(self) -> None:
        """The last line is written."""
        self._out.close()


@dataclass(frozen=True)
class Recording:
    """What was recorded: of what, and the orders."""

    head: Mapping[str, Any]
    orders: tuple[Mapping[str, Any], ...]

    @classmethod
    def read(cls, file: Path) -> "Recording":
        """Raises a FileNotFoundError, or a ValueError that names the line, if it is no recording."""
        if not file.is_file():
            raise FileNotFoundError(f"replay = {file}: there is no such file")
        lines: list[Any] = []
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            try:
                lines.append(json.loads(line))
            except ValueError:
                raise ValueError(f"{file}, line {number}: not JSON; it is no recording of dp-plus steer") from None
            if not isinstance(lines[-1], dict):
                raise ValueError(f"{file}, line {number}: must be an object in braces")
        if not lines or (missing := [name for name in HEAD if name not in lines[0]]):
            named = ", ".join(missing) if lines else "everything"
            raise ValueError(f"{file}: its first line lacks {named}; it is no recording of dp-plus steer")
        if lines[0]["dp_plus_steer"] != VERSION:
            raise ValueError(f"{file}: recorded in format {lines[0]['dp_plus_steer']}; this version reads {VERSION}")
        return cls(lines[0], tuple(lines[1:]))


@dataclass(frozen=True)
class Played:
    """How a recording went the second time: actions executed, and the largest difference of one, in the data's units."""

    steps: int
    difference: float
    success: bool


def play(loaded: Loaded, recording: Recording) -> Played:
    """Do what was recorded again.

    Raises:
        ValueError: an order cannot be carried out; by its line.
    """
    head = recording.head
    done: list[dict[str, Any]] = []
    session = Session(loaded, head["seed"], head["candidates"], head["way"], done.append)
    try:
        for number, order in enumerate(recording.orders, 2):
            try:
                session.perform(order)
            except Refused as error:
                raise ValueError(f"line {number} of the recording: {error}") from error
        success = bool(session.arena.success)
    finally:
        session.close()
    return Played(sum("action" in each for each in done), largest(recording.orders, done), success)


def largest(recorded: Iterable[Mapping[str, Any]], done: Iterable[Mapping[str, Any]]) -> float:
    """The largest difference between actions that were recorded and done; 0 if there are none."""
    pairs = ((was.get("action"), now.get("action")) for was, now in zip(recorded, done, strict=True))
    return max((abs(a - b) for was, now in pairs if was and now for a, b in zip(was, now, strict=True)), default=0.0)
