"""The instructions of a dataset, and other sentences that mean the same.

A dataset may hold paraphrases in two places: in LeRobot's column `language_persistent`, in rows of the style `task_aug`
(`lerobot-annotate` writes it), and in the file `meta/paraphrases.json`, {"instruction": ["paraphrase", …]}. Where both are,
both count.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from lerobot.datasets.language import LANGUAGE_PERSISTENT

PARAPHRASES = Path("meta") / "paraphrases.json"
STYLE = "task_aug"
_NOTE = "_dp_plus_instructions"
#: Instructions that are looked at; a dataset has tens of them.
_MOST = 10_000

#: An instruction -> other sentences that mean the same.
type Instructions = Mapping[str, tuple[str, ...]]


def note_instructions(config: Any, meta: Any, tasks: Any) -> None:
    """Leave with a policy's config the `tasks` of its dataset and their paraphrases; it is no field and is not saved.

    Raises:
        ValueError: the file of paraphrases is not a mapping of sentences to lists of sentences.
    """
    found: dict[str, dict[str, None]] = {str(task): {} for task in list(tasks)[:_MOST]}
    for source in (_of_file(meta), _of_column(meta)):
        for task, others in source.items():
            if task in found:
                found[task] |= dict.fromkeys(other for other in others if other != task)
    set_instructions(config, {task: tuple(others) for task, others in found.items()})


def set_instructions(config: Any, told: Instructions) -> None:
    """Leave these instructions with a config."""
    setattr(config, _NOTE, dict(told))


def instructions_of(config: Any) -> Instructions:
    """What `note_instructions` left; empty where no dataset was seen."""
    return getattr(config, _NOTE, {})


def _of_file(meta: Any) -> dict[str, list[str]]:
    file = Path(meta.root) / PARAPHRASES if getattr(meta, "root", None) is not None else None
    if file is None or not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: {error}; must be JSON") from error
    lists = found.values() if isinstance(found, dict) else [None]
    if not all(isinstance(each, list) and all(isinstance(other, str) for other in each) for each in lists):
        raise ValueError(f'{file}: must be {{"instruction": ["paraphrase", …], …}}')
    return found


def _of_column(meta: Any) -> dict[str, list[str]]:
    """Rows of the style `task_aug`, by the episode's task. They are the same in every frame of an episode."""
    if LANGUAGE_PERSISTENT not in getattr(meta, "features", {}) or getattr(meta, "root", None) is None:
        return {}
    names = dict(zip(meta.tasks["task_index"], meta.tasks.index, strict=True))
    found: dict[str, list[str]] = {}
    for file in sorted(Path(meta.root).glob("data/**/*.parquet")):
        table = pq.read_table(file, columns=["frame_index", "task_index", LANGUAGE_PERSISTENT])
        for row in np.flatnonzero(table["frame_index"].to_numpy() == 0).tolist():
            told = table[LANGUAGE_PERSISTENT][row].as_py() or ()
            said = [each["content"] for each in told if each["style"] == STYLE and each["content"]]
            found.setdefault(str(names[table["task_index"][row].as_py()]), []).extend(said)
    return found
