"""Diffusion Policy's replay buffers in zarr: `data/KEY` and `meta/episode_ends`, in a folder or a zip.

Source: the ReplayBuffer of github.com/real-stanford/diffusion_policy, which writes zarr's format 2; format 3 is read
as well. The buffer may lie up to two folders deep, as in the archive that project offers.
"""

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from lerobot_dp_plus.demos.converters.common import existing, reading, require
from lerobot_dp_plus.demos.converters.replay import Replay, check_ends

_MARKS = ("meta/episode_ends/.zarray", "meta/episode_ends/zarr.json")


@contextmanager
def open_zarr(source: Path | str, allow_missing_chunks: bool = False) -> Iterator[Replay]:
    """The replay buffer in `source`; nothing but headers and `episode_ends` is read here.

    zarr reads a chunk that is not there as a constant, so a half-copied buffer looks complete. Such arrays are refused
    unless `allow_missing_chunks`, for buffers whose writer left out constant chunks.

    Raises:
        ValueError, FileNotFoundError: no buffer or several in `source`, damaged, or of Python objects.
    """
    source = existing(source)
    zarr = require("zarr", "convert zarr")
    from lerobot_dp_plus.demos.converters.checked_store import CheckedStore

    with ExitStack() as stack:
        with reading(str(source)):
            inside = _find(source)
            # A path alone would not do: zarr takes more than local ones.
            kind = zarr.storage.LocalStore if source.is_dir() else zarr.storage.ZipStore
            options = {"read_only": True} if source.is_dir() else {"mode": "r"}
            store = CheckedStore(stack.enter_context(kind(source, **options)))
            group = zarr.open_group(store, path=inside, mode="r", use_consolidated=False)
        with reading(f"{source}: data"):
            arrays = dict(group["data"].arrays())
        if not arrays:
            raise ValueError(f"{source}: data holds no arrays; legal is at least 'action' and an observation")
        with reading(f"{source}: meta/episode_ends"):
            ends = group["meta/episode_ends"]
        for key, array in {
            **{f"data/{key}": array for key, array in arrays.items()},
            "meta/episode_ends": ends,
        }.items():
            _refuse_objects(array, f"{source}: {key}")
            if _codecs(array)[-1:] == ["blosc"]:
                store.blosc.add(array.path)
        checked = _Whole(source, arrays, allow_missing_chunks)
        with reading(f"{source}: meta/episode_ends"):
            _refuse_missing(ends, allow_missing_chunks)
            values = ends[:]
        yield Replay(source, checked, check_ends(values, f"{source}: meta/episode_ends"))


class _Whole(dict):
    """Arrays by key. Chunks are counted when an array is first asked for, so an array that is left out may lack some."""

    def __init__(self, source: Path, arrays: dict[str, Any], allow_missing_chunks: bool) -> None:
        super().__init__(arrays)
        self._source, self._allow, self._counted = source, allow_missing_chunks, set[str]()

    def __getitem__(self, key: str) -> Any:
        array = super().__getitem__(key)
        if key not in self._counted:
            with reading(f"{self._source}: data/{key}"):
                _refuse_missing(array, self._allow)
            self._counted.add(key)
        return array


def _find(source: Path) -> str:
    """Where in `source` the one replay buffer lies, relative to it."""
    if source.is_dir():
        folders = [source, *sorted(source.glob("*/")), *sorted(source.glob("*/*/"))]
        found = [
            folder.relative_to(source).as_posix()
            for folder in folders
            if any((folder / mark).is_file() for mark in _MARKS)
        ]
    else:
        with zipfile.ZipFile(source) as archive:
            found = sorted(
                name.removesuffix(mark) for name in archive.namelist() for mark in _MARKS if name.endswith(mark)
            )
    if len(found) != 1:
        raise ValueError(
            f"{len(found)} replay buffers {found} in it; legal is one, with meta/episode_ends and data/, "
            "at the top or up to two folders deep"
        )
    return found[0].rstrip("/").removeprefix(".")


def _refuse_objects(array: Any, where: str) -> None:
    """Only numbers are read: an array of Python objects, or a pickling filter, could run code."""
    codecs = _codecs(array)
    if array.dtype.kind not in "biuf" or any("pickle" in codec for codec in codecs):
        raise ValueError(f"{where} has dtype {array.dtype}, filters {codecs}; legal are numbers, never pickled objects")


def _codecs(array: Any) -> list[str]:
    """Names of what an array's chunks went through, the last one last."""
    codecs = [*array.filters, *array.compressors]
    return [str(getattr(codec, "codec_id", type(codec).__name__)).lower().removesuffix("codec") for codec in codecs]


def _refuse_missing(array: Any, allow: bool) -> None:
    if not allow and array.nchunks_initialized < array.nchunks:
        raise ValueError(
            f"{array.nchunks - array.nchunks_initialized} of {array.nchunks} chunks are missing and would read as "
            f"{array.fill_value}; if its writer left out constant chunks, pass --allow-missing-chunks"
        )
