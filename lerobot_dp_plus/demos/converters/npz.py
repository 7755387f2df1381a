"""A replay buffer in one .npz file: arrays (N, ...) and `episode_ends`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from lerobot_dp_plus.demos.converters.common import existing, reading
from lerobot_dp_plus.demos.converters.replay import Replay, check_ends

ENDS = "episode_ends"


@contextmanager
def open_npz(source: Path | str) -> Iterator[Replay]:
    """The replay buffer in `source`, read into memory.

    Raises:
        ValueError, FileNotFoundError: damaged, of Python objects, or without `episode_ends`.
    """
    source = existing(source)
    arrays = {}
    with reading(str(source)):
        archive = np.load(source, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("not an .npz archive of named arrays")
    with archive:
        for key in archive.files:
            with reading(f"{source}: {key}"):
                arrays[key] = archive[key]
    if ENDS not in arrays:
        raise ValueError(f"{source}: {ENDS} is missing; it has {sorted(arrays)}")
    ends = check_ends(arrays.pop(ENDS), f"{source}: {ENDS}")
    yield Replay(source, arrays, ends)
