"""From attempts to a dataset: many episodes on all cores, resumable, then one LeRobotDataset. The same for every expert."""

import functools
import importlib.metadata
import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

import lerobot_dp_plus
from lerobot_dp_plus.auxiliary import SUBTASK
from lerobot_dp_plus.demos.episode_files import end_with_parent, episode_file, load
from lerobot_dp_plus.demos.subtasks import Parts, parts_of, write_parts
from lerobot_dp_plus.demos.writer import write_dataset
from lerobot_dp_plus.hub.files import write_whole

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PROVENANCE = "provenance.json"
_PATIENCE = 20  # attempts beyond twice the wanted episodes before giving up

#: Whether an attempt succeeded; or several such answers, which must all be yes for its episode to be kept.
type Outcome = bool | tuple[bool, ...]


@dataclass(frozen=True)
class Demonstrations:
    """What a dataset of demonstrations is, whatever the number of its episodes.

    Attributes:
        generator: last part of the module that plays the episodes, as provenance.json names it.
        features: LeRobot's feature table.
        task: the instruction; None if every episode has its own, which is then among its columns.
        columns: what is recorded of an episode -> its columns; `record["action"]` is (T, A). T sentences under `subtask` say
            which part of the task each step is of. They become `meta/subtasks.json`.
        simulator: distributions whose versions are noted.
    """

    generator: str
    repo_id: str
    fps: int
    features: Mapping[str, Mapping[str, Any]]
    task: str | None
    robot_type: str
    columns: Callable[[dict[str, np.ndarray]], dict[str, Any]]
    simulator: tuple[str, ...]

    def write(
        self, root: Path | str, records: Iterable[dict[str, np.ndarray]], attempted: int, noted: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Write the kept episodes to a new dataset at `root`; returns the provenance written beside them.

        Args:
            records: what was recorded of every kept episode.
            attempted: how many episodes were played for them.
            noted: what else decides about the data, or was counted.

        Raises:
            FileExistsError, ValueError: as `write_dataset`.
        """
        steps: list[int] = []
        parts: dict[int, Parts] = {}
        provenance: dict[str, Any] = {}

        def columns() -> Iterator[dict[str, Any]]:
            for record in records:
                steps.append(len(record["action"]))
                made = self.columns(record)
                if SUBTASK in made:
                    parts[len(steps) - 1] = parts_of(made.pop(SUBTASK), self.fps)
                yield made

        def note(partial: Path) -> None:
            provenance.update(
                package_version=lerobot_dp_plus.__version__,
                **noted,
                episodes=len(steps),
                attempted=attempted,
                dropped=attempted - len(steps),
                mean_steps=round(float(np.mean(steps)), 1),
                generator=f"lerobot_dp_plus.demos.{self.generator}",
                simulator={name: importlib.metadata.version(name) for name in self.simulator},
            )
            write_parts(partial, parts)
            (partial / PROVENANCE).write_text(json.dumps(provenance, indent=2) + "\n")

        write_dataset(root, self.repo_id, self.fps, self.features, columns(), self.task, self.robot_type, extras=note)
        print(
            f"{root}: {len(steps)} episodes kept, {attempted - len(steps)} of {attempted} dropped as failures, "
            f"{provenance['mean_steps']} steps on average"
        )
        return provenance


def produce(
    demonstrations: Demonstrations,
    recipe: "DataclassInstance",
    play: Callable[..., Outcome],
    root: Path | str,
    episodes: int,
    workers: int | None = None,
    overwrite: bool = False,
    counted: Callable[[list[Outcome]], dict[str, Any]] = lambda outcomes: {},
) -> dict[str, Any]:
    """Write a dataset of `episodes` completed demonstrations to `root`.

    Finished episodes are kept in a folder beside `root` until the dataset is assembled, so a killed run goes on where
    it stopped. The dataset depends on the recipe and the number of episodes, not on `workers` or on interruptions.

    Args:
        recipe: decides about the content of every episode.
        play: (recipe, index, folder) -> outcome; plays episode `index` into its file in `folder`, unless it is there. It
            runs in other processes, so it is a function of a module.
        root: folder of the dataset.
        episodes: how many to keep; an attempt that fails is dropped and replaced.
        workers: processes; None takes every core this process may use.
        overwrite: replace whatever is at `root` and forget episodes kept from a run with another recipe.
        counted: outcomes of all attempts -> what the provenance says about them.

    Returns:
        the provenance written beside the data: recipe, attempts, dropped, mean steps, versions.

    Raises:
        ValueError: episodes < 1 or workers < 1.
        FileExistsError: `root`, or what an unfinished run left beside it, was made with another recipe.
        RuntimeError: far too many failures.
    """
    workers = len(os.sched_getaffinity(0)) if workers is None else workers
    for name, value in (("episodes", episodes), ("workers", workers)):
        if value < 1:
            raise ValueError(f"{name}={value}: legal are integers from 1")
    root = Path(root).absolute()
    folder = root.with_name(f".{root.name}.episodes")
    if overwrite and root.exists():
        shutil.rmtree(root)
    if root.exists():
        return _same_or_refuse(root, recipe, episodes)
    _claim(folder, recipe, overwrite)
    outcomes = attempt(functools.partial(play, recipe, folder=folder), episodes, workers)
    kept = [index for index in sorted(outcomes) if np.all(outcomes[index])]
    records = (load(episode_file(folder, index)) for index in tqdm(kept, desc="writing the dataset", unit="episode"))
    noted = asdict(recipe) | counted(list(outcomes.values()))
    provenance = demonstrations.write(root, records, len(outcomes), noted)
    shutil.rmtree(folder)
    return provenance


def attempt(play: Callable[[int], Outcome], episodes: int, workers: int) -> dict[int, Outcome]:
    """Play until the first attempts hold `episodes` that are kept; returns the outcome of every attempt.

    Which attempts count is decided in the order of their indices, whatever order they finish in.
    """
    results: dict[int, Outcome] = {}
    with tqdm(total=episodes, desc="playing", unit="episode") as progress:
        while (missing := episodes - sum(map(np.all, results.values()))) > 0:
            if len(results) >= 2 * episodes + _PATIENCE:
                raise RuntimeError(f"only {episodes - missing} of {len(results)} episodes succeeded, far too few")
            for index, outcome in _outcomes(play, range(len(results), len(results) + missing), workers):
                results[index] = outcome
                progress.update(int(np.all(outcome)))
    return results


def _outcomes(play: Callable[[int], Outcome], indices: range, workers: int) -> Iterator[tuple[int, Outcome]]:
    """(index, outcome) of every attempt in `indices`, in the order they finish."""
    workers = min(workers, len(indices))
    if workers == 1:
        yield from ((index, play(index)) for index in indices)
        return
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=end_with_parent)
    try:
        running = {pool.submit(play, index): index for index in indices}
        for future in as_completed(running):
            yield running[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _arguments(recipe: "DataclassInstance") -> dict[str, Any]:
    """What decides about the content of an episode; a change of version may change the expert."""
    return {"package_version": lerobot_dp_plus.__version__, **asdict(recipe)}


def _same_or_refuse(root: Path, recipe: "DataclassInstance", episodes: int) -> dict[str, Any]:
    """The provenance of the complete dataset at `root`, if it is what would be written; FileExistsError otherwise."""
    wanted = {**_arguments(recipe), "episodes": episodes}
    path = root / PROVENANCE
    found = json.loads(path.read_text()) if path.is_file() else {}
    differing = {key: found.get(key) for key in wanted if found.get(key) != wanted[key]}
    if differing:
        what = f"was written with {differing}" if found else f"exists and holds no {PROVENANCE}"
        raise FileExistsError(f"root={root} {what}; choose another folder or pass --overwrite")
    print(f"{root}: complete already, nothing to do")
    return found


def _claim(folder: Path, recipe: "DataclassInstance", overwrite: bool) -> None:
    """Make the folder of kept episodes; FileExistsError if it holds episodes of another recipe."""
    note = folder / "recipe.json"
    wanted = _arguments(recipe)
    found = json.loads(note.read_text()) if note.is_file() else None
    if found is not None and found != wanted:
        if not overwrite:
            raise FileExistsError(
                f"{folder} holds episodes of an unfinished run with {found}, not {wanted}; "
                "repeat its arguments, remove the folder, or pass --overwrite"
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob("*.tmp"):
        leftover.unlink()
    write_whole(note, json.dumps(wanted))
