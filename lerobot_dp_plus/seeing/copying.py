"""A copy of a recording whose `observation.environment_state` was found in its pictures."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from lerobot.datasets import LeRobotDataset
from lerobot.datasets.compute_stats import compute_episode_stats
from lerobot.datasets.dataset_tools import modify_features, recompute_stats
from lerobot.utils.constants import OBS_ENV_STATE

from lerobot_dp_plus.demos.features import number_feature
from lerobot_dp_plus.hub.files import take_place

#: What was found, beside the data.
NOTE = "seeing.json"


def copy_with(dataset: LeRobotDataset, root: Path, points: np.ndarray, note: Mapping[str, Any]) -> None:
    """Write the copy, whole or not at all. A state of that name that the recording has is left out, statistics too.

    Args:
        root: folder of the copy; what is there is replaced.
        points: (N, 2·K), one row for each frame.
        note: stored beside the data in seeing.json.
    """
    root = root.absolute()
    root.parent.mkdir(parents=True, exist_ok=True)
    feature = number_feature([f"{axis}{index}" for index in range(points.shape[1] // 2) for axis in ("x", "y")])
    values, name = points.astype(np.float32), f"local/{root.name}"
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{root.name}.") as folder:
        if OBS_ENV_STATE in dataset.meta.features:
            bare = Path(folder) / "bare"
            dataset = modify_features(dataset, remove_features=OBS_ENV_STATE, output_dir=bare, repo_id=name)
        whole = Path(folder) / "whole"
        added = {OBS_ENV_STATE: (values, feature)}
        copy = modify_features(dataset, add_features=added, output_dir=whole, repo_id=name)
        recompute_stats(copy)
        _episode_statistics(whole, values, feature)
        (whole / NOTE).write_text(json.dumps(note, indent=2) + "\n")
        take_place(whole, root)


def _episode_statistics(root: Path, values: np.ndarray, feature: Mapping[str, Any]) -> None:
    """Statistics of the new state in the table of episodes, where LeRobot's tools look for them."""
    for file in sorted(root.glob("meta/episodes/*/*.parquet")):
        table = pq.read_table(file)
        bounds = zip(*(table[f"dataset_{end}_index"].to_pylist() for end in ("from", "to")), strict=True)
        stats = [
            compute_episode_stats({OBS_ENV_STATE: values[start:stop]}, {OBS_ENV_STATE: dict(feature)})[OBS_ENV_STATE]
            for start, stop in bounds
        ]
        for kind in stats[0]:
            name, column = f"stats/{OBS_ENV_STATE}/{kind}", pa.array([each[kind].tolist() for each in stats])
            place = table.schema.get_field_index(name)
            table = table.append_column(name, column) if place < 0 else table.set_column(place, name, column)
        pq.write_table(table, file)
