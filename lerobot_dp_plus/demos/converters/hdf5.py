"""What the HDF5 formats share: opening, headers, and the refusal of what was never written."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lerobot_dp_plus.demos.converters.common import Array, Sources, is_picture, reading, require

_CONTIGUOUS = 1  # h5py.h5d.CONTIGUOUS


@contextmanager
def open_hdf5(path: Path, command: str) -> Iterator[Any]:
    """The file, for reading.

    Raises:
        ValueError: it is no HDF5 file, or truncated, or h5py is not installed.
    """
    h5py = require("h5py", command)
    with reading(str(path)):
        file = h5py.File(path, "r")
    with file:
        yield file


def array(file: Any, path: Path, key: str) -> Array:
    """The array `key` of an open file, of numbers and completely written.

    Raises:
        ValueError: it is missing, a group, of objects or strings, or was never filled.
    """
    where = f"{path}: {key}"
    with reading(where):
        found = file.get(key)
    if found is None or not hasattr(found, "shape"):
        raise ValueError(f"{where} is missing; beside it are {_beside(file, key)}")
    if found.shape is None or found.dtype.kind not in "biuf":
        raise ValueError(f"{where} has dtype {found.dtype}; legal are numbers, never objects")
    if not found.shape or found.shape[0] == 0:
        raise ValueError(f"{where} has shape {found.shape}: an episode needs at least one frame")
    with reading(where):
        unwritten = _unwritten(found)
    if unwritten:
        raise ValueError(f"{where}: {unwritten}, so they would read as zeros; the recording was cut short")
    return Array(found, path, key)


def layout(sources: Sources, where: str, inside: str = "") -> tuple[int, dict[str, Any]]:
    """Number of frames of an episode, and of every key in the group `inside` its width or (height, width, 3).

    Raises:
        ValueError: the keys have unequal numbers of frames, or an array does not suit its feature.
    """
    lengths, shapes = {}, {}
    for feature, arrays in sources.items():
        for found in arrays:
            key = found.key.removeprefix(inside)
            lengths[key] = len(found)
            shapes[key] = found.picture_shape if is_picture(feature) else found.width
    if len(set(lengths.values())) != 1:
        raise ValueError(f"{where}: every key needs the same number of frames; got {lengths}")
    return next(iter(lengths.values())), shapes


def _unwritten(found: Any) -> str:
    """What of an array has no bytes in the file; empty if nothing."""
    if found.chunks is not None:
        wanted = math.prod(-(-size // chunk) for size, chunk in zip(found.shape, found.chunks, strict=True))
        written = found.id.get_num_chunks()
        return f"{wanted - written} of {wanted} chunks were never written" if written < wanted else ""
    contiguous = found.id.get_create_plist().get_layout() == _CONTIGUOUS and not found.external
    return "its values were never written" if contiguous and found.id.get_storage_size() == 0 else ""


def _beside(file: Any, key: str) -> list[str]:
    parent = key.rstrip("/").rpartition("/")[0] or "/"
    group = file.get(parent)
    return sorted(group) if group is not None and hasattr(group, "keys") else []
