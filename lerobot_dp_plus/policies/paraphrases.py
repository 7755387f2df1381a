"""The instructions of a dataset, and other sentences that mean the same.

A dataset may hold paraphrases in two places: in LeRobot's column `language_persistent`, in rows of the style `task_aug`
(`lerobot-annotate` writes it), and in the file `meta/paraphrases.json`, {"instruction": ["paraphrase", …]}. Where both are,
both count.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lerobot_dp_plus.policies.language_column import told_of_episodes

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
    names = dict(zip(meta.tasks["task_index"], meta.tasks.index, strict=True))
    found: dict[str, list[str]] = {}
    for _, task, rows in told_of_episodes(meta, STYLE):
        found.setdefault(str(names[task]), []).extend(each["content"] for each in rows)
    return found
