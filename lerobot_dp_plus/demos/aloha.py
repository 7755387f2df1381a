"""`dp-plus demos aloha`: many episodes of the ALOHA expert on all cores, resumable, then one LeRobotDataset."""

import importlib.metadata
import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from scipy.stats import binomtest

from lerobot_dp_plus.demos.aloha_episodes import Recipe, episode_file, generate_file
from lerobot_dp_plus.demos.aloha_features import ROBOT_TYPE, aloha_features, episode_columns
from lerobot_dp_plus.demos.options import aloha_parser
from lerobot_dp_plus.demos.publication import push_if_asked
from lerobot_dp_plus.demos.pusht_episodes import end_with_parent
from lerobot_dp_plus.demos.resuming import PROVENANCE, arguments, claim, same_or_refuse
from lerobot_dp_plus.demos.writer import write_dataset
from lerobot_dp_plus.environments.aloha_physics import FPS, SENTENCES, require

STOCK_SIZE = (480, 640)
_PATIENCE = 20  # attempts beyond twice the wanted episodes before giving up


def write_aloha_demos(
    root: Path | str, recipe: Recipe, episodes: int, workers: int | None = None, overwrite: bool = False
) -> dict[str, Any]:
    """Write a LeRobotDataset of `episodes` completed ALOHA demonstrations to `root`.

    Finished episodes are kept in a folder beside `root` until the dataset is assembled, so a killed run goes on where
    it stopped. The dataset depends on the recipe and the number of episodes, not on `workers` or on interruptions.

    Args:
        root: folder of the dataset.
        recipe: what an episode is.
        episodes: how many to keep; an attempt that does not succeed and hold its goal is dropped and replaced.
        workers: processes; None takes every core this process may use.
        overwrite: replace whatever is at `root` and forget episodes kept from a run with another recipe.

    Returns:
        the provenance written beside the data: recipe, attempts, successes, mean steps, versions.

    Raises:
        ValueError: episodes < 1 or workers < 1.
        FileExistsError: `root`, or what an unfinished run left beside it, was made with another recipe.
        MissingExtra: the aloha extra is not installed.
        RuntimeError: far too many failures.
    """
    if episodes < 1:
        raise ValueError(f"episodes={episodes}: legal are integers from 1")
    workers = len(os.sched_getaffinity(0)) if workers is None else workers
    if workers < 1:
        raise ValueError(f"workers={workers}: legal are integers from 1")
    require("mujoco"), require("gym_aloha")
    root = Path(root).absolute()
    folder = root.with_name(f".{root.name}.episodes")

    if overwrite and root.exists():
        shutil.rmtree(root)
    if root.exists():
        return same_or_refuse(root, recipe, episodes)
    claim(folder, recipe, overwrite)
    with _progress() as progress:
        outcomes = _run(recipe, episodes, folder, workers, progress)
        kept = [index for index in sorted(outcomes) if all(outcomes[index])]
        provenance = _provenance(recipe, episodes, folder, outcomes, kept)

        def columns() -> Iterator[dict[str, np.ndarray]]:
            for index in progress.track(kept, description="writing the dataset"):
                yield episode_columns(_load(folder, index), recipe.environment_state)

        def note(partial: Path) -> None:
            (partial / PROVENANCE).write_text(json.dumps(provenance, indent=2) + "\n")

        features = aloha_features(recipe.task, recipe.environment_state, recipe.picture)
        repo_id = f"dp_plus/aloha_{recipe.task}"
        write_dataset(root, repo_id, FPS, features, columns(), SENTENCES[recipe.task], ROBOT_TYPE, extras=note)
    shutil.rmtree(folder)
    print(f"{root}: {episodes} episodes, {provenance['mean_steps']} steps on average\n{summary(provenance)}")
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


def _provenance(
    recipe: Recipe, episodes: int, folder: Path, outcomes: dict[int, tuple[bool, bool]], kept: list[int]
) -> dict[str, Any]:
    attempted = len(outcomes)
    counts: dict[str, Any] = {}
    for name, count in (
        ("succeeded", sum(success for success, _ in outcomes.values())),
        ("completed", sum(success and completed for success, completed in outcomes.values())),
    ):
        interval = binomtest(count, attempted).proportion_ci(0.95, method="wilson")
        counts |= {
            name: count,
            f"{name}_interval_percent": [round(100 * interval.low, 1), round(100 * interval.high, 1)],
        }
    steps = [len(_load(folder, index)["action"]) for index in kept]
    return {
        **arguments(recipe),
        "episodes": episodes,
        "attempted": attempted,
        "dropped": attempted - len(kept),
        **counts,
        "mean_steps": round(float(np.mean(steps)), 1),
        "generator": "lerobot_dp_plus.demos.aloha",
        "simulator": {name: importlib.metadata.version(name) for name in ("gym-aloha", "mujoco")},
    }


def _load(folder: Path, index: int) -> dict[str, np.ndarray]:
    with np.load(episode_file(folder, index), allow_pickle=False) as kept:
        return dict(kept)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn())


def _run(recipe: Recipe, episodes: int, folder: Path, workers: int, progress: Progress) -> dict[int, tuple[bool, bool]]:
    """Play until the first attempts hold `episodes` that completed; returns (success, completed) of every attempt.

    Which attempts count is decided in the order of their indices, whatever order they finish in.
    """
    results: dict[int, tuple[bool, bool]] = {}
    bar = progress.add_task(f"playing {recipe.task}", total=episodes)
    while (missing := episodes - sum(map(all, results.values()))) > 0:
        if len(results) >= 2 * episodes + _PATIENCE:
            raise RuntimeError(f"only {episodes - missing} of {len(results)} episodes succeeded, far too few")
        for index, outcome in _outcomes(recipe, range(len(results), len(results) + missing), folder, workers):
            results[index] = outcome
            progress.update(bar, advance=int(all(outcome)))
    return results


def _outcomes(recipe: Recipe, indices: range, folder: Path, workers: int) -> Iterator[tuple[int, tuple[bool, bool]]]:
    """(index, outcome) of every attempt in `indices`, in the order they finish."""
    workers = min(workers, len(indices))
    if workers == 1:
        for index in indices:
            yield index, generate_file(recipe, index, folder)
        return
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=end_with_parent)
    try:
        running: dict[Future[tuple[bool, bool]], int] = {
            pool.submit(generate_file, recipe, index, folder): index for index in indices
        }
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future.result()
    finally:
        pool.shutdown(cancel_futures=True)


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
