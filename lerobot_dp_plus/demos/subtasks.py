"""Which part of its task a demonstration is at, as `meta/subtasks.json` has it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from lerobot_dp_plus.auxiliary import SUBTASKS_FILE

#: When each part of an episode begins, in seconds, and what it is.
type Parts = list[tuple[float, str]]


def parts_of(steps: Sequence[str], fps: int) -> Parts:
    """The part that each step is of -> the parts."""
    return [(step / fps, part) for step, part in enumerate(steps) if step == 0 or part != steps[step - 1]]


def write_parts(root: Path, parts: Mapping[int, Parts]) -> None:
    """Write the parts of the episodes that have any; no file if none has."""
    if parts:
        (root / SUBTASKS_FILE).write_text(json.dumps(parts) + "\n")
