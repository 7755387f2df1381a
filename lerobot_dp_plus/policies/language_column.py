"""LeRobot's column `language_persistent`: what is said of an episode, the same in all of its frames."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
from lerobot.datasets.language import LANGUAGE_PERSISTENT


class Told(NamedTuple):
    """What is said of one episode.

    Args:
        episode, task: their numbers.
        rows: {"style", "content", "timestamp", …}, those with a content.
    """

    episode: int
    task: int
    rows: list[dict[str, Any]]


def told_of_episodes(meta: Any, style: str) -> Iterator[Told]:
    """What a dataset's column says in a style; nothing if it has no such column, or is not on disk."""
    if LANGUAGE_PERSISTENT not in getattr(meta, "features", {}) or getattr(meta, "root", None) is None:
        return
    numbers = ("frame_index", "episode_index", "task_index")
    for file in sorted(Path(meta.root).glob("data/**/*.parquet")):
        table = pq.read_table(file, columns=[*numbers, LANGUAGE_PERSISTENT])
        for row in np.flatnonzero(table["frame_index"].to_numpy() == 0).tolist():
            episode, task = (table[name][row].as_py() for name in numbers[1:])
            rows = table[LANGUAGE_PERSISTENT][row].as_py() or ()
            yield Told(episode, task, [each for each in rows if each["style"] == style and each["content"]])
