"""Which episodes are played together, and the files that keep what is finished.

An evaluation is a row of batches. Each is played as one call of LeRobot's `eval` would play it, and then written, whole or
not at all, into `parts/KEY/` of the output folder:

    pusht_0_000050.jsonl   a line for each of its episodes; there only when the batch is finished
    pusht_0_000050.npz     their actions, for films, how long each decision took, and the state of the random numbers

KEY is made of all that an episode depends on: weights, arguments, versions, size of a batch. So a second call goes on
where a first was stopped, one for more episodes adds them, and another evaluation in the same folder mixes nothing.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lerobot_dp_plus.hub.files import whole, write_whole

PARTS = "parts"


@dataclass(frozen=True)
class Batch:
    """Episodes of one task that are played side by side.

    Args:
        group, task: LeRobot's names of the task.
        start: number of the first episode among those of its task; count: how many are kept of `size`.
        size: how many are played; LeRobot plays the last batch in full and drops what is too much.
        first_seed: environment seed of episode `start`.
    """

    group: str
    task: int
    start: int
    count: int
    size: int
    first_seed: int

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.group}_{self.task}_{self.start:06d}"

    @property
    def seeds(self) -> list[int]:
        """Environment seeds of all that are played."""
        return list(range(self.first_seed, self.first_seed + self.size))


def batches_of(tasks: Sequence[tuple[str, int]], episodes: int, size: int, first_seed: int) -> list[Batch]:
    """All batches of an evaluation, in LeRobot's order: every task begins with the first seed."""
    return [
        Batch(group, task, start, min(size, episodes - start), size, first_seed + start)
        for group, task in tasks
        for start in range(0, episodes, size)
    ]


def key_of(facts: Mapping[str, Any]) -> str:
    """A short name for all that an episode depends on."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Parts:
    """The folder of finished batches."""

    folder: Path

    def lines(self, batch: Batch) -> Path:
        """Its episodes."""
        return self.folder / f"{batch.name}.jsonl"

    def arrays(self, batch: Batch) -> Path:
        """Its actions and times."""
        return self.folder / f"{batch.name}.npz"

    def is_finished(self, batch: Batch) -> bool:
        """Whether as many episodes of it are there as are kept."""
        file = self.lines(batch)
        return file.is_file() and self.arrays(batch).is_file() and len(file.read_text().splitlines()) >= batch.count

    def write(self, batch: Batch, episodes: Sequence[Mapping[str, Any]], arrays: Mapping[str, np.ndarray]) -> None:
        """Keep a batch that is finished."""
        with whole(self.arrays(batch)) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        write_whole(self.lines(batch), "".join(json.dumps(each) + "\n" for each in episodes))

    def read(self, batch: Batch) -> list[dict[str, Any]]:
        """The episodes of a batch that are kept, in order."""
        lines = self.lines(batch).read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines[: batch.count]]

    def read_arrays(self, batch: Batch) -> dict[str, np.ndarray]:
        """Its arrays, by name."""
        with np.load(self.arrays(batch), allow_pickle=False) as found:
            return dict(found)
