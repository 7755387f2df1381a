"""The sentences that are to be told of each sample: its instruction, or the part of the task that is being done.

A dataset may hold sub-tasks in two places: in LeRobot's column `language_persistent`, in rows of the style `subtask`, and in the
file `meta/subtasks.json`, {"episode": [[seconds, "what is done from then on"], …]}. Where both are, the file counts.
"""

import json
import logging
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lerobot_dp_plus.auxiliary import INSTRUCTION, SUBTASK, SUBTASKS_FILE
from lerobot_dp_plus.policies.language_column import told_of_episodes

logger = logging.getLogger(__name__)

_NOTE = "_dp_plus_subtasks"
#: Time stamps are those of frames, and float32.
_TOLERANCE = 1e-3

#: An episode -> when each of its parts begins, in seconds, ascending; and what it is.
type Subtasks = Mapping[int, tuple[Sequence[float], Sequence[str]]]


def adopt_sentences(config: Any, meta: Any, tasks: Sequence[str]) -> None:
    """Let those members that tell sentences meet all of the data's, and note with a config its sub-tasks, which are not saved.

    Raises:
        ValueError: the file of sub-tasks is broken, or a member cannot tell what is said; by name.
    """
    for name, member in config.auxiliaries.items():
        if member.tells is None:
            continue
        subtasks = _subtasks(meta) if member.tells == SUBTASK else {}
        setattr(config, _NOTE, subtasks)
        said = tasks if member.tells == INSTRUCTION else [each for _, texts in subtasks.values() for each in texts]
        if member.tells == SUBTASK and not said:
            raise ValueError(
                f"{name}.of = subtask: the dataset has neither rows of the style subtask in language_persistent nor "
                f"{SUBTASKS_FILE}; legal is {name}.of = instruction"
            )
        met = member.adopting(said)
        if strangers := met.strangers(said):
            logger.warning(
                "%s: words that it was not trained to say, and will not: %s", name, ", ".join(strangers[:10])
            )
        setattr(config, name, met)


def sentences_of(config: Any, tells: str, batch: Mapping[str, Any]) -> list[str | None]:
    """What is to be told of every sample of a batch; None where the data say nothing.

    Raises:
        ValueError: the batch does not say which task, or which frame of which episode, its samples are of.
    """
    keys = ("task",) if tells == INSTRUCTION else ("episode_index", "timestamp")
    missing = [key for key in keys if key not in batch]
    if missing:
        raise ValueError(
            f"{', '.join(missing)} missing from the batch, which has {sorted(batch)}: its {tells} is to be told"
        )
    if tells == INSTRUCTION:
        return list(batch["task"])
    subtasks: Subtasks = getattr(config, _NOTE, {})
    told: list[str | None] = []
    for episode, time in zip(
        batch["episode_index"].flatten().tolist(), batch["timestamp"].flatten().tolist(), strict=True
    ):
        begins, texts = subtasks.get(int(episode), ((), ()))
        last = bisect_right(begins, time + _TOLERANCE) - 1
        told.append(texts[last] if last >= 0 else None)
    return told


def _subtasks(meta: Any) -> Subtasks:
    found: dict[int, list[tuple[float, str]]] = {
        episode: [(float(each["timestamp"]), each["content"]) for each in rows]
        for episode, _, rows in told_of_episodes(meta, SUBTASK)
    }
    file = Path(meta.root) / SUBTASKS_FILE if getattr(meta, "root", None) is not None else None
    if file is not None and file.is_file():
        found |= _of_file(file)
    ordered = {episode: sorted(rows) for episode, rows in found.items() if rows}
    return {episode: ([time for time, _ in rows], [text for _, text in rows]) for episode, rows in ordered.items()}


def _of_file(file: Path) -> dict[int, list[tuple[float, str]]]:
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
        found = {int(episode): [(float(time), text) for time, text in rows] for episode, rows in read.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f'{file}: {error}; must be {{"episode": [[seconds, "what is done"], …], …}}') from error
    if not all(isinstance(text, str) for rows in found.values() for _, text in rows):
        raise ValueError(f'{file}: must be {{"episode": [[seconds, "what is done"], …], …}}, with text in it')
    return found
