"""`dp-plus demos blocks`: a table with three things, and a sentence for every episode."""

from pathlib import Path
from typing import Any

import numpy as np

from lerobot_dp_plus.auxiliary import SUBTASK
from lerobot_dp_plus.demos.blocks_episodes import Recipe, generate_file
from lerobot_dp_plus.demos.features import OUTCOME, number_feature, outcome_columns, picture_feature
from lerobot_dp_plus.demos.options import blocks_parser
from lerobot_dp_plus.demos.production import Demonstrations, produce
from lerobot_dp_plus.demos.publication import exit_status
from lerobot_dp_plus.environments.blocks import FPS, SHAPES
from lerobot_dp_plus.environments.sentences import COLOURS
from lerobot_dp_plus.notation import GAZE

IMAGE = "observation.image"
STATE_NAMES = ("x", "y", "closed")


def blocks_features(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """LeRobot's feature table. Lengths are shares of the table's side; the gaze is a square around the target."""
    of_a_thing = ("x", "y", *SHAPES)
    features = {
        "observation.state": number_feature(STATE_NAMES),
        "observation.environment_state": number_feature([f"{c}_{name}" for c in COLOURS for name in of_a_thing]),
        GAZE: number_feature(("x", "y", "half_side")),
        "action": number_feature(STATE_NAMES),
        **OUTCOME,
    }
    if recipe.images:
        features[IMAGE] = picture_feature((recipe.size, recipe.size, 3), video=False)
    return features


def blocks_columns(record: dict[str, np.ndarray]) -> dict[str, Any]:
    """Columns of one episode in the layout of `blocks_features`, its `task`, and the `subtask` of each step."""
    names = {"state": "observation.state", "objects": "observation.environment_state", "gaze": GAZE, "action": "action"}
    columns: dict[str, Any] = {key: record[name].astype(np.float32) for name, key in names.items()}
    columns |= outcome_columns(record["reward"], record["reward"] > 0)
    columns |= {"task": str(record["task"]), SUBTASK: record["subtask"].tolist()}
    return columns | ({IMAGE: record["image"]} if "image" in record else {})


def write_blocks_demos(
    root: Path | str, recipe: Recipe, episodes: int, workers: int | None = None, overwrite: bool = False
) -> dict[str, Any]:
    """Write a LeRobotDataset of `episodes` demonstrations to `root`, resumable; returns its provenance.

    Raises:
        ValueError, FileExistsError, RuntimeError: as `produce`.
    """
    demonstrations = Demonstrations(
        generator="blocks",
        repo_id="dp_plus/blocks",
        fps=FPS,
        features=blocks_features(recipe),
        task=None,
        robot_type="blocks",
        columns=blocks_columns,
        simulator=("opencv-python-headless",),
    )
    return produce(demonstrations, recipe, generate_file, root, episodes, workers, overwrite)


def main(argv: list[str] | None = None) -> int:
    """Command line of `dp-plus demos blocks`."""

    def write(root: Path, episodes: int, workers: int | None, overwrite: bool, **recipe: Any) -> None:
        write_blocks_demos(root, Recipe(**recipe), episodes, workers, overwrite)

    return exit_status(blocks_parser(), argv, write)
