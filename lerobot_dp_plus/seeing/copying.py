"""A copy of a recording with a state that was found in its pictures."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from lerobot.datasets import LeRobotDataset
from lerobot.datasets.compute_stats import aggregate_stats, compute_episode_stats
from lerobot.datasets.dataset_tools import modify_features
from lerobot.datasets.io_utils import write_stats
from lerobot.utils.constants import OBS_ENV_STATE

from lerobot_dp_plus.demos.features import number_feature
from lerobot_dp_plus.hub.files import take_place

#: What was found, beside the data.
NOTE = "seeing.json"


def copy_with(dataset: LeRobotDataset, root: Path, points: np.ndarray, note: Mapping[str, Any]) -> None:
    """Write a copy with points (N, 2·K) as its `observation.environment_state`; otherwise as `copy_with_state`."""
    names = [f"{axis}{index}" for index in range(points.shape[1] // 2) for axis in ("x", "y")]
    copy_with_state(dataset, root, OBS_ENV_STATE, points, names, note)


def copy_with_state(
    dataset: LeRobotDataset,
    root: Path,
    key: str,
    values: np.ndarray,
    names: Sequence[str],
    note: Mapping[str, Any],
    file: str = NOTE,
) -> None:
    """Write the copy, whole or not at all. A state of that name that the recording has is left out, statistics too.

    Args:
        root: folder of the copy; what is there is replaced.
        key: name of the state.
        values: (N, D), one row for each frame. names: of the D numbers.
        note: stored beside the data in `file`.
    """
    root = root.absolute()
    root.parent.mkdir(parents=True, exist_ok=True)
    feature, values, name = number_feature(names), values.astype(np.float32), f"local/{root.name}"
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{root.name}.") as folder:
        if key in dataset.meta.features:
            bare = Path(folder) / "bare"
            dataset = modify_features(dataset, remove_features=key, output_dir=bare, repo_id=name)
        whole = Path(folder) / "whole"
        modify_features(dataset, add_features={key: (values, feature)}, output_dir=whole, repo_id=name)
        _statistics(whole, key, values, feature, dataset.meta.stats)
        (whole / file).write_text(json.dumps(note, indent=2) + "\n")
        take_place(whole, root)


def _statistics(
    root: Path, key: str, values: np.ndarray, feature: Mapping[str, Any], others: Mapping[str, Any] | None
) -> None:
    """Statistics of the new state beside those of the `others`, and in the table of episodes, where LeRobot's tools look.

    LeRobot's own tool computes those of all features anew, and fails at arrays of whole numbers.
    """
    of_episodes: list[dict[str, dict[str, np.ndarray]]] = []
    for file in sorted(root.glob("meta/episodes/*/*.parquet")):
        table = pq.read_table(file)
        bounds = zip(*(table[f"dataset_{end}_index"].to_pylist() for end in ("from", "to")), strict=True)
        stats = [compute_episode_stats({key: values[start:stop]}, {key: dict(feature)})[key] for start, stop in bounds]
        of_episodes += [{key: each} for each in stats]
        for kind in stats[0]:
            name, column = f"stats/{key}/{kind}", pa.array([each[kind].tolist() for each in stats])
            place = table.schema.get_field_index(name)
            table = table.append_column(name, column) if place < 0 else table.set_column(place, name, column)
        pq.write_table(table, file)
    write_stats({**(others or {}), **aggregate_stats(of_episodes)}, root)
