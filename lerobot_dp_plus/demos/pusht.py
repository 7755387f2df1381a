"""`dp-plus demos pusht`: many episodes of the PushT expert on all cores, resumable, then one LeRobotDataset."""

from pathlib import Path
from typing import Any

from lerobot_dp_plus.demos.options import pusht_parser
from lerobot_dp_plus.demos.production import Demonstrations, produce
from lerobot_dp_plus.demos.publication import exit_status
from lerobot_dp_plus.demos.pusht_episodes import Recipe, generate_file
from lerobot_dp_plus.demos.pusht_features import FPS, ROBOT_TYPE, TASK, episode_columns, pusht_features

SIMULATOR = ("gym-pusht", "pymunk")


def write_pusht_demos(
    root: Path | str,
    episodes: int,
    seed: int = 0,
    images: bool = False,
    workers: int | None = None,
    overwrite: bool = False,
    disturbed: float = Recipe.disturbed,
    near: float = Recipe.near,
) -> dict[str, Any]:
    """Write a LeRobotDataset of `episodes` successful PushT demonstrations to `root`, resumable: see `produce`.

    Args:
        episodes: how many to keep; failures are dropped and replaced.
        seed: of the run.
        images: also write `observation.image`, (96, 96, 3).
        workers: processes; None takes every core this process may use.
        overwrite: replace whatever is at `root` and forget episodes kept from a run with other arguments.
        disturbed, near: shares of episodes, see `Recipe`.

    Returns:
        the provenance written beside the data: arguments, attempts, dropped, mean steps, versions.

    Raises:
        ValueError: episodes < 1, workers < 1, or an illegal seed or share.
        FileExistsError: `root`, or what an unfinished run left beside it, was made with other arguments.
        RuntimeError: far too many failures.
    """
    recipe = Recipe(seed, disturbed, near, images)
    features = pusht_features(images)
    demonstrations = Demonstrations(
        "pusht", "dp_plus/pusht_expert", FPS, features, TASK, ROBOT_TYPE, episode_columns, SIMULATOR
    )
    return produce(demonstrations, recipe, generate_file, root, episodes, workers, overwrite)


def main(argv: list[str] | None = None) -> int:
    """Command line of `dp-plus demos pusht`; returns the exit status: 2 bad input, 1 the Hub failed."""
    return exit_status(pusht_parser(), argv, write_pusht_demos)
