"""`dp-plus demos so101`: a recording as `lerobot-record` writes it, of a robot that is not there."""

from pathlib import Path
from typing import Any

import numpy as np

from lerobot_dp_plus.demos.features import OUTCOME, number_feature, outcome_columns, picture_feature
from lerobot_dp_plus.demos.options import so101_parser
from lerobot_dp_plus.demos.production import Demonstrations, produce
from lerobot_dp_plus.demos.publication import exit_status
from lerobot_dp_plus.demos.so101_episodes import Recipe, generate_file
from lerobot_dp_plus.environments.so101 import FPS, JOINTS

CAMERAS = ("front", "wrist")
NAMES = tuple(f"{joint}.pos" for joint in JOINTS)


def so101_features(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """LeRobot's feature table, named as `so101_follower` names its joints; two cameras as video."""
    picture = picture_feature((recipe.height, recipe.width, 3), video=True)
    cameras = {f"observation.images.{camera}": picture for camera in CAMERAS}
    return {"observation.state": number_feature(NAMES), "action": number_feature(NAMES), **cameras, **OUTCOME}


def so101_columns(record: dict[str, np.ndarray]) -> dict[str, Any]:
    """Columns of one episode in the layout of `so101_features`, and its `task`."""
    columns: dict[str, Any] = {f"observation.images.{camera}": record[camera] for camera in CAMERAS}
    columns |= {"observation.state": record["state"].astype(np.float32), "action": record["action"].astype(np.float32)}
    return columns | outcome_columns(record["reward"], record["reward"] > 0) | {"task": str(record["task"])}


def write_so101_demos(
    root: Path | str,
    episodes: int,
    seed: int = 0,
    resolution: tuple[int, int] = (480, 640),
    workers: int | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write a LeRobotDataset of `episodes` recordings to `root`, resumable; returns its provenance.

    Raises:
        ValueError, FileExistsError, RuntimeError: as `produce`.
    """
    recipe = Recipe(seed, *resolution)
    demonstrations = Demonstrations(
        generator="so101",
        repo_id="dp_plus/so101",
        fps=FPS,
        features=so101_features(recipe),
        task=None,
        robot_type="so101_follower",
        columns=so101_columns,
        simulator=("opencv-python-headless",),
    )
    return produce(demonstrations, recipe, generate_file, root, episodes, workers, overwrite)


def main(argv: list[str] | None = None) -> int:
    """Command line of `dp-plus demos so101`."""
    return exit_status(so101_parser(), argv, write_so101_demos)
