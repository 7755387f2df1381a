"""`dp-plus demos blocks`: a table with three things, and a sentence for every episode."""

from pathlib import Path
from typing import Any

import numpy as np

from lerobot_dp_plus.auxiliary import SUBTASK
from lerobot_dp_plus.demos.blocks_episodes import Recipe, generate_file
from lerobot_dp_plus.demos.features import outcome_columns
from lerobot_dp_plus.demos.options import blocks_parser
from lerobot_dp_plus.demos.production import Demonstrations, produce
from lerobot_dp_plus.demos.publication import exit_status
from lerobot_dp_plus.demos.scene_features import scene_columns, scene_features
from lerobot_dp_plus.environments.blocks import FPS, SHAPES
from lerobot_dp_plus.environments.sentences import COLOURS

STATE_NAMES = ("x", "y", "closed")


def blocks_features(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """LeRobot's feature table. Lengths are shares of the table's side."""
    things = [f"{colour}_{name}" for colour in COLOURS for name in ("x", "y", *SHAPES)]
    return scene_features(STATE_NAMES, things, STATE_NAMES, recipe.size if recipe.images else None)


def blocks_columns(record: dict[str, np.ndarray]) -> dict[str, Any]:
    """Columns of one episode in the layout of `blocks_features`, its `task`, and the `subtask` of each step."""
    outcome = outcome_columns(record["reward"], record["reward"] > 0)
    return scene_columns(record) | outcome | {SUBTASK: record["subtask"].tolist()}


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
