"""`dp-plus demos metaworld`: three pucks, or any of MetaWorld's tasks, with a sentence for every episode."""

from pathlib import Path
from typing import Any

import numpy as np

from lerobot_dp_plus.demos.features import outcome_columns
from lerobot_dp_plus.demos.metaworld_episodes import Recipe, generate_file
from lerobot_dp_plus.demos.options import metaworld_parser
from lerobot_dp_plus.demos.production import Demonstrations, produce
from lerobot_dp_plus.demos.publication import exit_status
from lerobot_dp_plus.demos.scene_features import scene_columns, scene_features
from lerobot_dp_plus.environments import metaworld_lite, pucks
from lerobot_dp_plus.environments.metaworld_extra import require_metaworld
from lerobot_dp_plus.environments.sentences import COLOURS
from lerobot_dp_plus.hub.intervals import wilson_percent

_PLACE = ("x", "y", "z")
_THING = (*_PLACE, "qx", "qy", "qz", "qw")


def metaworld_features(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """LeRobot's feature table. Places are metres."""
    things = [f"{name}_{axis}" for name in COLOURS for axis in _PLACE]
    if not recipe.pucks:
        things = [f"{name}_{axis}" for name in ("first", "second") for axis in _THING]
    things += [f"goal_{axis}" for axis in _PLACE]
    size = recipe.size if recipe.images else None
    return scene_features(("x", "y", "z", "opening"), things, ("x", "y", "z", "grip"), size)


def metaworld_columns(record: dict[str, np.ndarray]) -> dict[str, Any]:
    """Columns of one episode in the layout of `metaworld_features`, and its `task`."""
    ended = np.arange(len(record["reward"])) == len(record["reward"]) - 1
    return scene_columns(record) | outcome_columns(record["reward"], ended & bool(record["ended"]))


def write_metaworld_demos(
    root: Path | str, recipe: Recipe, episodes: int, workers: int | None = None, overwrite: bool = False
) -> dict[str, Any]:
    """Write a LeRobotDataset of `episodes` demonstrations to `root`, resumable; returns its provenance.

    An attempt that fails is dropped and replaced; the provenance counts them.

    Raises:
        MissingExtra: MetaWorld is not installed. ValueError, FileExistsError, RuntimeError: as `produce`.
    """
    require_metaworld("metaworld")
    demonstrations = Demonstrations(
        generator="metaworld",
        repo_id=f"dp_plus/{'three_pucks' if recipe.pucks else 'metaworld'}",
        fps=pucks.FPS if recipe.pucks else metaworld_lite.FPS,
        features=metaworld_features(recipe),
        task=None,
        robot_type="sawyer",
        columns=metaworld_columns,
        simulator=("metaworld", "mujoco"),
    )
    provenance = produce(demonstrations, recipe, generate_file, root, episodes, workers, overwrite, _counted)
    low, high = provenance["succeeded_interval_percent"]
    print(f"succeeded: {provenance['succeeded']} of {provenance['attempted']} attempts ({low:.1f}–{high:.1f} %)")
    return provenance


def _counted(outcomes: list[Any]) -> dict[str, Any]:
    """Attempts that did what was meant, with the 95 % Wilson interval in percent."""
    count = sum(map(bool, outcomes))
    interval = [round(bound, 1) for bound in wilson_percent(count, len(outcomes))]
    return {"succeeded": count, "succeeded_interval_percent": interval}


def main(argv: list[str] | None = None) -> int:
    """Command line of `dp-plus demos metaworld`."""

    def write(root: Path, episodes: int, workers: int | None, overwrite: bool, **recipe: Any) -> None:
        write_metaworld_demos(root, Recipe(**recipe), episodes, workers, overwrite)

    return exit_status(metaworld_parser(), argv, write)
