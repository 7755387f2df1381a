"""`dp-plus demos pusht`: many episodes of the PushT expert on all cores, resumable, then one LeRobotDataset."""

import importlib.metadata
import json
import multiprocessing
import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from lerobot_dp_plus.demos.options import pusht_parser
from lerobot_dp_plus.demos.publication import push_if_asked
from lerobot_dp_plus.demos.pusht_episodes import Recipe, end_with_parent, episode_file, generate_file
from lerobot_dp_plus.demos.pusht_features import FPS, ROBOT_TYPE, TASK, episode_columns, pusht_features
from lerobot_dp_plus.demos.resuming import PROVENANCE, arguments, claim, same_or_refuse
from lerobot_dp_plus.demos.writer import write_dataset

REPO_ID = "dp_plus/pusht_expert"
_PATIENCE = 20  # attempts beyond twice the wanted episodes before giving up


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
    """Write a LeRobotDataset of `episodes` successful PushT demonstrations to `root`.

    Finished episodes are kept in a folder beside `root` until the dataset is assembled, so a killed run goes on where
    it stopped. The dataset depends on the arguments but not on `workers` or on interruptions.

    Args:
        root: folder of the dataset.
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
    if episodes < 1:
        raise ValueError(f"episodes={episodes}: legal are integers from 1")
    workers = len(os.sched_getaffinity(0)) if workers is None else workers
    if workers < 1:
        raise ValueError(f"workers={workers}: legal are integers from 1")
    recipe = Recipe(seed, disturbed, near, images)
    root = Path(root).absolute()
    folder = root.with_name(f".{root.name}.episodes")

    if overwrite and root.exists():
        shutil.rmtree(root)
    if root.exists():
        return same_or_refuse(root, recipe, episodes)
    claim(folder, recipe, overwrite)
    kept, attempted = _run(recipe, episodes, folder, workers)
    steps = [_load(folder, index)["action"].shape[0] for index in kept]
    provenance = {
        **arguments(recipe),
        "episodes": episodes,
        "attempted": attempted,
        "dropped": attempted - episodes,
        "mean_steps": round(float(np.mean(steps)), 1),
        "generator": "lerobot_dp_plus.demos.pusht",
        "simulator": {name: importlib.metadata.version(name) for name in ("gym-pusht", "pymunk")},
    }

    def columns() -> Iterator[dict[str, np.ndarray]]:
        for index in tqdm(kept, desc="writing the dataset", unit="episode"):
            yield episode_columns(_load(folder, index))

    def note(partial: Path) -> None:
        (partial / PROVENANCE).write_text(json.dumps(provenance, indent=2) + "\n")

    write_dataset(root, REPO_ID, FPS, pusht_features(images), columns(), TASK, ROBOT_TYPE, extras=note)
    shutil.rmtree(folder)
    print(
        f"{root}: {episodes} episodes kept, {attempted - episodes} of {attempted} dropped as failures, "
        f"{provenance['mean_steps']} steps on average"
    )
    return provenance


def _load(folder: Path, index: int) -> dict[str, np.ndarray]:
    with np.load(episode_file(folder, index), allow_pickle=False) as kept:
        return dict(kept)


def _run(recipe: Recipe, episodes: int, folder: Path, workers: int) -> tuple[list[int], int]:
    """Play until the first attempts hold `episodes` successes; returns their indices and the number of attempts.

    Which attempts count is decided in the order of their indices, whatever order they finish in.
    """
    results: dict[int, bool] = {}
    with tqdm(total=episodes, desc="playing PushT", unit="episode") as progress:
        while (missing := episodes - sum(results.values())) > 0:
            if len(results) >= 2 * episodes + _PATIENCE:
                raise RuntimeError(f"only {sum(results.values())} of {len(results)} episodes succeeded, far too few")
            for index, success in _outcomes(recipe, range(len(results), len(results) + missing), folder, workers):
                results[index] = success
                progress.update(success)
    return [index for index in sorted(results) if results[index]], len(results)


def _outcomes(recipe: Recipe, indices: range, folder: Path, workers: int) -> Iterator[tuple[int, bool]]:
    """(index, success) of every attempt in `indices`, in the order they finish."""
    workers = min(workers, len(indices))
    if workers == 1:
        for index in indices:
            yield index, generate_file(recipe, index, folder)
        return
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=end_with_parent)
    try:
        running: dict[Future[bool], int] = {
            pool.submit(generate_file, recipe, index, folder): index for index in indices
        }
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def main(argv: list[str] | None = None) -> int:
    """Command line of `dp-plus demos pusht`; returns the exit status: 2 bad input, 1 the Hub failed."""
    parser = pusht_parser()
    options = parser.parse_args(argv)
    try:
        write_pusht_demos(
            options.root,
            options.episodes,
            options.seed,
            options.images,
            options.workers,
            options.overwrite,
            options.disturbed,
            options.near,
        )
    except (ValueError, FileExistsError, RuntimeError) as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 2
    return push_if_asked(options, options.root)
