"""Episodes kept one file each until their dataset is assembled, and the workers that play them.

Kept free of lerobot, so that a spawned worker starts in a second.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np


def episode_file(folder: Path, index: int) -> Path:
    """Where episode `index` is kept until the dataset is assembled."""
    return folder / f"episode_{index:06d}.npz"


def load(path: Path, *names: str) -> dict[str, np.ndarray]:
    """The arrays in an episode's file; only those of `names` if any are given."""
    with np.load(path, allow_pickle=False) as kept:
        return {name: kept[name] for name in names or kept.files}


def played_once(path: Path, play: Callable[[], Mapping[str, np.ndarray]]) -> Path:
    """Keep what `play` returns in the file `path`, whole or not at all, unless it is there already; returns `path`."""
    if not path.exists():
        partial = path.with_suffix(f".{os.getpid()}.tmp")
        with partial.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **play())
        partial.rename(path)
    return path


def end_with_parent() -> None:
    """Worker initialiser: a worker whose parent was killed would wait for work forever; let it end instead."""
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("end_with_parent is for worker processes; this process has no parent of multiprocessing's")

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
