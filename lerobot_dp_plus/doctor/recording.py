"""A recording as numbers: every state and action, episode by episode. No picture is decoded."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from lerobot.datasets import LeRobotDataset, LeRobotDatasetMetadata
from lerobot.utils.constants import ACTION, OBS_STATE

from lerobot_dp_plus.loading.columns import NotInMemory, read_column
from lerobot_dp_plus.policies.dataset_remarks import spans, tasks_of
from lerobot_dp_plus.policies.folders import local_name
from lerobot_dp_plus.policies.readable import PICTURES, dimension_names, is_numeric

INFO = Path("meta/info.json")
#: Places that a sentence names.
PLACES = 3


@dataclass(frozen=True)
class Recording:
    """Columns of N frames; the frames of an episode are neighbours.

    Args:
        name: folder or USER/NAME.
        fps: frames a second that the dataset states.
        episodes: (E,) their numbers; starts: (E,) first row of each; stops: (E,) one past the last.
        columns: every numeric observation and the action, (N, D) float64, in the data's units.
        names: what each of their D dimensions is called.
        timestamps: (N,) seconds since the start of the episode.
        tasks: every instruction with the episodes that have it.
        stats: the dataset's statistics.
        cameras: the shape (H, W, C) of every camera.
        unreadable: columns that cannot be read as numbers, and why.
        meta: LeRobot's metadata; None for one that lies on no disk.
    """

    name: str
    fps: float
    episodes: np.ndarray
    starts: np.ndarray
    stops: np.ndarray
    columns: Mapping[str, np.ndarray]
    names: Mapping[str, tuple[str, ...]]
    timestamps: np.ndarray
    tasks: Mapping[str, list[int]] = field(default_factory=dict)
    stats: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cameras: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    meta: Any = None

    def __len__(self) -> int:
        return len(self.timestamps)

    @property
    def lengths(self) -> np.ndarray:
        """Frames of every episode, (E,)."""
        return self.stops - self.starts

    @cached_property
    def episode(self) -> np.ndarray:
        """The position of every row's episode among all, (N,)."""
        return np.repeat(np.arange(len(self.episodes)), self.lengths)

    @cached_property
    def follows(self) -> np.ndarray:
        """Whether the row before is of the same episode, (N,)."""
        follows = np.ones(len(self), bool)
        follows[self.starts] = False
        return follows

    @property
    def state(self) -> np.ndarray | None:
        """`observation.state`, (N, D), if there is one."""
        return self.columns.get(OBS_STATE)

    @property
    def action(self) -> np.ndarray | None:
        """The action, (N, A), if there is one."""
        return self.columns.get(ACTION)

    @property
    def observations(self) -> list[str]:
        """Columns that are observed."""
        return [key for key in self.columns if key != ACTION]

    def steps(self, key: str) -> np.ndarray:
        """Change from the row before, (N, D); 0 in the first row of an episode."""
        values = self.columns[key]
        change = np.zeros_like(values)
        change[1:] = values[1:] - values[:-1]
        change[self.starts] = 0.0
        return change

    @cached_property
    def _usual(self) -> dict[str, np.ndarray]:
        found = {}
        for key, values in self.columns.items():
            low, high = np.nanquantile(values, [0.01, 0.99], axis=0) if len(values) else np.zeros((2, values.shape[1]))
            whole = np.nanmax(values, 0) - np.nanmin(values, 0)
            found[key] = np.where(high - low > 1e-9 * np.abs(whole), high - low, whole)
        return found

    def usual(self, key: str) -> np.ndarray:
        """The range of nearly all values, from the quantile 0.01 to that of 0.99, (D,); the whole range if that is none."""
        return self._usual[key]

    def each(self) -> Iterator[tuple[int, slice]]:
        """Number and rows of every episode."""
        for number, start, stop in zip(self.episodes, self.starts, self.stops, strict=True):
            yield int(number), slice(int(start), int(stop))

    def dimension(self, key: str, index: int) -> str:
        """What a dimension is called: `action elbow_flex.pos`, or `action[2]` if it has no name."""
        short = key.removeprefix("observation.")
        name = self.names.get(key, ())[index : index + 1]
        return f"{short} {name[0]}" if name and not name[0].isdigit() else f"{short}[{index}]"

    def listed(self, key: str, chosen: np.ndarray, most: int = 6) -> str:
        """The dimensions that are True, by name."""
        numbers = np.flatnonzero(chosen).tolist()
        more = f" and {len(numbers) - most} more" if len(numbers) > most else ""
        return ", ".join(self.dimension(key, index) for index in numbers[:most]) + more

    def places(self, rows: Sequence[int] | np.ndarray) -> str:
        """`episode 3 (frames 10–14), episode 7 (frame 4)`: where some rows are."""
        rows = np.asarray(rows, dtype=int)
        found = []
        episodes = np.unique(self.episode[rows])
        for position in episodes[:PLACES]:
            frames = (rows[self.episode[rows] == position] - self.starts[position]).tolist()
            found.append(f"episode {self.episodes[position]} ({spans(frames, 'frame')})")
        more = f" and {len(episodes) - PLACES} more episodes" if len(episodes) > PLACES else ""
        return ", ".join(found) + more

    def edit(self, operation: str) -> str:
        """The command that changes the recording by LeRobot's own means: tasks in place, anything else in a copy."""
        folder = (Path(self.name) / INFO).is_file()
        name = local_name(self.name) if folder else self.name
        place = f"--repo_id={name} --root={self.name}" if folder else f"--repo_id={name}"
        if operation != "modify_tasks":
            place += f" --new_repo_id={name}-mended" + (f" --new_root={self.name.rstrip('/')}-mended" if folder else "")
        return f"lerobot edit-dataset {place} --operation.type={operation}"

    def part(self, most: int) -> "Recording":
        """At most about `most` frames of it: whole episodes, evenly spread."""
        if len(self) <= most:
            return self
        count = max(1, int(len(self.episodes) * most / len(self)))
        kept = np.unique(np.linspace(0, len(self.episodes) - 1, count).round().astype(int))
        rows = np.concatenate([np.arange(self.starts[k], self.stops[k]) for k in kept])
        stops = np.cumsum(self.lengths[kept])
        return Recording(
            self.name, self.fps, self.episodes[kept], stops - self.lengths[kept], stops,
            {key: values[rows] for key, values in self.columns.items()}, self.names, self.timestamps[rows],
            self.tasks, self.stats, self.cameras, self.unreadable, self.meta,
        )  # fmt: skip


def read(source: str, pictures: bool = True) -> Recording:
    """The recording in a folder, or of USER/NAME on the Hub, which is fetched; `pictures` says whether with its videos.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it has no frames.
    """
    if (Path(source) / INFO).is_file():
        meta = LeRobotDatasetMetadata(local_name(source), root=source)
    else:
        meta = LeRobotDataset(source, download_videos=pictures).meta
    wanted = [key for key, feature in meta.features.items() if feature["dtype"] not in PICTURES]
    files = sorted(Path(meta.root).glob("data/*/*.parquet"))
    if not files or not meta.total_frames:
        raise ValueError(f"{source} holds no frames: a recording has data/chunk-000/file-000.parquet and so on")
    tables = [
        pq.read_table(file, columns=[key for key in wanted if key in pq.read_schema(file).names]) for file in files
    ]
    return of_table(source, meta, pa.concat_tables(tables, promote_options="permissive"))


def of_dataset(dataset: Any) -> Recording:
    """The recording that a dataset of LeRobot's holds, in the episodes that it selects."""
    pictures = set(dataset.meta.camera_keys)
    columns = [name for name in dataset.hf_dataset.column_names if name not in pictures]
    table = dataset.hf_dataset.select_columns(columns).with_format("arrow")[:]
    folder = getattr(dataset.meta, "_requested_root", None)  # None for one of the Hub, whose cache is nobody's to edit
    return of_table(dataset.repo_id if folder is None else str(folder), dataset.meta, table)


def of_table(name: str, meta: Any, table: pa.Table) -> Recording:
    """The recording of a table of frames with LeRobot's columns.

    Raises:
        ValueError: the table does not say which episode its frames are of.
    """
    columns, unreadable = {}, {}
    for key in table.column_names:
        feature = meta.features.get(key, {})
        seen = key == ACTION or key.startswith("observation.")
        if not seen or not is_numeric(feature) or len(feature["shape"]) != 1:
            continue
        try:
            values = np.asarray(read_column(key, table[key]), dtype=np.float64)
            columns[key] = values.reshape(len(values), -1)
        except NotInMemory as reason:
            unreadable[key] = str(reason)
    if "episode_index" not in table.column_names:
        raise ValueError(f"{name} has no column episode_index, which says of every frame its episode")
    episode = table["episode_index"].to_numpy()
    starts = np.flatnonzero(np.r_[True, episode[1:] != episode[:-1]])
    stops = np.r_[starts[1:], len(episode)]
    time = (
        table["timestamp"].to_numpy().astype(np.float64)
        if "timestamp" in table.column_names
        else np.zeros(len(episode))
    )
    numbers = episode[starts]
    shapes = {key: tuple(meta.features[key]["shape"]) for key in meta.camera_keys}
    return Recording(
        name, float(meta.fps), numbers, starts, stops, columns,
        {key: dimension_names(meta.features[key]) for key in columns}, time,
        tasks_of(meta, numbers.tolist()), meta.stats or {}, shapes, unreadable, meta,
    )  # fmt: skip
