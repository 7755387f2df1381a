"""Write episodes held as arrays to a LeRobotDataset (format v3) that exists completely or not at all."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

#: (folder of the finished but not yet published dataset) -> None; adds files that appear together with it.
type Extras = Callable[[Path], None]


def write_dataset(
    root: Path | str,
    repo_id: str,
    fps: int,
    features: Mapping[str, Mapping[str, Any]],
    episodes: Iterable[Mapping[str, Any]],
    task: str | None,
    robot_type: str | None = None,
    extras: Extras | None = None,
) -> None:
    """Write `episodes` to a new LeRobotDataset at `root`.

    The dataset is built in a sibling folder and renamed into place, so `root` never holds half a dataset;
    after an error or a kill `root` does not exist and the next call starts over.

    Args:
        root: folder of the dataset; must not exist.
        repo_id: name stored with the dataset, `owner/name`.
        fps: frames per second, the same for every episode.
        features: LeRobot's feature table, `{key: {"dtype", "shape", "names"}}`; images are (height, width, channel).
        episodes: one mapping per episode, feature key -> array (T, *shape), or (T,) for a shape of (1,); every episode
            has exactly the keys of `features` and one common T ≥ 1. May be a generator. Whole numbers and booleans must be
            stored as they are; floating point is rounded to the feature's precision.
        task: the instruction, the same for every frame; None if every episode has its own, under the key `task`.
        robot_type: stored in the metadata.
        extras: called with the finished folder before it gets its name, to add files such as a provenance note.

    Raises:
        FileExistsError: `root` exists.
        ValueError: no episodes, or an episode's keys, shapes or values do not fit `features`.
    """
    root = Path(root)
    if root.exists():
        raise FileExistsError(f"root={root} already exists; choose another folder or remove it first")
    partial = root.with_name(f".{root.name}.partial")
    if partial.exists():
        shutil.rmtree(partial)
    root.parent.mkdir(parents=True, exist_ok=True)

    # Naming the reader's backend spares probing for one that may not load: nothing is read back here.
    dataset = LeRobotDataset.create(
        repo_id,
        fps,
        {key: {**feature, "shape": tuple(feature["shape"])} for key, feature in features.items()},
        root=partial,
        robot_type=robot_type,
        video_backend="pyav",
    )
    try:
        count = 0
        for count, given in enumerate(episodes, start=1):
            episode = dict(given)
            sentence = episode.pop("task", None) if task is None else task
            if not isinstance(sentence, str):
                raise ValueError(f"episode {count - 1}: its task is {sentence!r}; must be a sentence, a str")
            length = _checked_length(count - 1, episode, features)
            columns = {key: _stored(count - 1, key, episode[key], features[key]) for key in features}
            for frame in range(length):
                dataset.add_frame({**{key: column[frame] for key, column in columns.items()}, "task": sentence})
            with _no_bar_per_episode():
                dataset.save_episode()
        if count == 0:
            raise ValueError("episodes is empty; a dataset needs at least one episode")
        dataset.finalize()
        if extras is not None:
            extras(partial)
    except BaseException:
        dataset.finalize()
        shutil.rmtree(partial, ignore_errors=True)
        raise
    partial.rename(root)


@contextmanager
def _no_bar_per_episode() -> Iterator[None]:
    """`datasets` draws a progress bar for every episode saved; callers show one for the whole."""
    quiet = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if not quiet:
            datasets.enable_progress_bars()


def _dtype(feature: Mapping[str, Any]) -> np.dtype:
    """The array type of a feature; pictures are bytes whether stored as images or as video."""
    return np.dtype("uint8" if feature["dtype"] in ("image", "video") else feature["dtype"])


def _stored(index: int, key: str, column: Any, feature: Mapping[str, Any]) -> np.ndarray:
    """A column (T, *shape) as its feature stores it; ValueError if that changes more than the precision of real numbers."""
    given, dtype = np.asarray(column).reshape(len(column), *feature["shape"]), _dtype(feature)
    with np.errstate(over="ignore", invalid="ignore"):
        stored = given.astype(dtype)
    if given.dtype.kind == "f" and dtype.kind == "f":
        kept = np.isfinite(stored)
    else:
        # Compared in the given type: once both are float32, 2²⁴ + 1 would equal what is stored.
        kept = (stored.astype(given.dtype) == given) & ((stored < 0) == (given < 0))
    if not kept.all():
        frame, *place = np.argwhere(~kept)[0].tolist()
        raise ValueError(
            f"episode {index}: {key} holds {given[(frame, *place)]} in frame {frame}, which {dtype} cannot store; choose "
            "another dtype for the feature, or round the values"
        )
    return stored


def _checked_length(index: int, episode: Mapping[str, np.ndarray], features: Mapping[str, Mapping[str, Any]]) -> int:
    """Number of frames T of an episode whose keys, shapes and values fit `features`; raises ValueError otherwise."""
    if set(episode) != set(features):
        missing, extra = sorted(set(features) - set(episode)), sorted(set(episode) - set(features))
        raise ValueError(f"episode {index}: keys must be {sorted(features)}; missing {missing}, unexpected {extra}")
    lengths = {key: len(column) for key, column in episode.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise ValueError(f"episode {index}: every key needs the same number of frames, at least one; got {lengths}")
    for key, column in episode.items():
        shape = tuple(features[key]["shape"])
        if np.shape(column)[1:] != shape and not (shape == (1,) and np.ndim(column) == 1):
            raise ValueError(f"episode {index}: {key} has shape {np.shape(column)}; legal is (T, *{shape})")
        if np.issubdtype(np.asarray(column).dtype, np.floating) and not np.isfinite(column).all():
            raise ValueError(f"episode {index}: {key} holds {int((~np.isfinite(column)).sum())} NaN or infinite values")
    return next(iter(lengths.values()))
