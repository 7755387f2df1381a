"""`dp-plus demos aloha`: many episodes of the ALOHA expert on all cores, resumable, then one LeRobotDataset."""

import functools
from pathlib import Path
from typing import Any

from lerobot_dp_plus.demos.aloha_episodes import Recipe, generate_file
from lerobot_dp_plus.demos.aloha_features import ROBOT_TYPE, aloha_features, episode_columns
from lerobot_dp_plus.demos.options import aloha_parser
from lerobot_dp_plus.demos.production import Demonstrations, produce
from lerobot_dp_plus.demos.publication import push_if_asked
from lerobot_dp_plus.environments.aloha_physics import FPS, SENTENCES, require
from lerobot_dp_plus.hub.intervals import wilson_percent

STOCK_SIZE = (480, 640)


def write_aloha_demos(
    root: Path | str, recipe: Recipe, episodes: int, workers: int | None = None, overwrite: bool = False
) -> dict[str, Any]:
    """Write a LeRobotDataset of `episodes` completed ALOHA demonstrations to `root`, resumable: see `produce`.

    An attempt that does not succeed and hold its goal is dropped and replaced.

    Returns:
        the provenance written beside the data: recipe, attempts, successes, mean steps, versions.

    Raises:
        MissingExtra: the aloha extra is not installed.
        ValueError, FileExistsError, RuntimeError: as `produce`.
    """
    require("mujoco"), require("gym_aloha")
    demonstrations = Demonstrations(
        generator="aloha",
        repo_id=f"dp_plus/aloha_{recipe.task}",
        fps=FPS,
        features=aloha_features(recipe.task, recipe.environment_state, recipe.picture),
        task=SENTENCES[recipe.task],
        robot_type=ROBOT_TYPE,
        columns=functools.partial(episode_columns, environment_state=recipe.environment_state),
        simulator=("gym-aloha", "mujoco"),
    )
    provenance = produce(demonstrations, recipe, generate_file, root, episodes, workers, overwrite, _counted)
    print(summary(provenance))
    return provenance


def summary(provenance: dict[str, Any]) -> str:
    """How the attempts of a run went, with 95 % Wilson intervals."""
    attempts = provenance["attempted"]
    lines = []
    for name in ("succeeded", "completed"):
        low, high = provenance[f"{name}_interval_percent"]
        share = 100 * provenance[name] / attempts
        lines.append(f"{name}: {provenance[name]} of {attempts} attempts, {share:.1f} % ({low:.1f}–{high:.1f} %)")
    return "\n".join(lines)


def _counted(outcomes: list[Any]) -> dict[str, Any]:
    """Attempts that succeeded, and those that also held their goal, with 95 % Wilson intervals in percent."""
    counts: dict[str, Any] = {}
    for name, count in (("succeeded", sum(success for success, _ in outcomes)), ("completed", sum(map(all, outcomes)))):
        interval = [round(bound, 1) for bound in wilson_percent(count, len(outcomes))]
        counts |= {name: count, f"{name}_interval_percent": interval}
    return counts


def main(argv: list[str] | None = None) -> int:
    """Command line of `dp-plus demos aloha`."""
    options = aloha_parser().parse_args(argv)
    height, width = options.resolution
    recipe = Recipe(
        task=options.task,
        seed=options.seed,
        camera=options.cameras,
        height=height,
        width=width,
        look=options.look or ("stock" if options.resolution == STOCK_SIZE else "lite"),
        environment_state=options.environment_state or options.cameras == "none",
    )
    write_aloha_demos(options.root, recipe, options.episodes, options.workers, options.overwrite)
    return push_if_asked(options, options.root)
