"""A source that is opened and checked but not yet read: its episodes, its arrays, and what these must be like."""

import functools
import importlib
import math
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from lerobot_dp_plus.demos.features import number_feature, picture_feature

type Columns = dict[str, np.ndarray]

#: Pictures of an episode beyond this many bytes are kept in a temporary file while it is written.
SPOOL_BYTES = 256 * 2**20
#: Numbers of a source up to this many bytes are read once; beyond it, episode by episode.
KEEP_BYTES = 256 * 2**20
#: Pictures read at a time.
BLOCK = 32
#: Largest whole number below which float32 has every one.
_WHOLE = 2**24
_FEATURE = re.compile(r"action|observation(\.[A-Za-z0-9_\-]+)+|next(\.[A-Za-z0-9_\-]+)+")


@dataclass(frozen=True)
class Recording:
    """Episodes of a source in LeRobot's terms.

    Attributes:
        source: file or folder they come from.
        fps: frames per second.
        task: the instruction, the same for every frame.
        features: LeRobot's feature table; pictures are (height, width, 3).
        lengths: number of frames T of every episode.
        read: (episode, folder for temporary files) -> feature -> array (T, *shape) in the stored dtype. May be called
            more than once for an episode and gives the same every time.
        carried: feature -> the source's keys it is made of, in order.
        left_out: keys of the source that are not carried over.
        robot_type: stored in the metadata.
        notes: what else is worth keeping about the source, as JSON.
    """

    source: Path
    fps: int
    task: str
    features: dict[str, dict[str, Any]]
    lengths: list[int]
    read: Callable[[int, Path], Columns]
    carried: dict[str, list[str]]
    left_out: list[str] = field(default_factory=list)
    robot_type: str | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.fps < 1:
            raise ValueError(f"fps={self.fps}: legal are integers from 1")
        if not self.task.strip():
            raise ValueError("task is empty; describe in one sentence what the demonstrations do")
        if not self.lengths:
            raise ValueError(f"{self.source}: holds no episodes")
        if "action" not in self.features:
            raise ValueError(f"{self.source}: nothing is mapped to 'action'; it has {self.left_out}")
        if not any(key.startswith("observation.") for key in self.features):
            raise ValueError(f"{self.source}: nothing is mapped to an observation; it has {self.left_out}")


def require(package: str, command: str) -> ModuleType:
    """The optional `package`, which `command` needs.

    Raises:
        ValueError: it is not installed; the message has the line that installs it.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ValueError(
            f"{command} needs the package {package!r}, which is not installed ({error}); "
            "pip install 'lerobot_policy_dp_plus[convert]'"
        ) from error


def existing(source: Path | str) -> Path:
    """`source` as a path; FileNotFoundError if nothing is there."""
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    return path


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Whatever goes wrong while a library reads `where` becomes a ValueError that names it."""
    try:
        yield
    except Exception as error:
        reason = str(error).strip() or type(error).__name__
        raise ValueError(f"{where} cannot be read: {reason}. Is the file truncated or damaged?") from error


def check_feature(name: str, pictures: bool, where: str) -> None:
    """Raise ValueError if `name` is no feature a policy could use for such values."""
    if not _FEATURE.fullmatch(name):
        raise ValueError(f"{where}: {name!r} is no feature; legal are action, observation.*, next.*")
    if pictures != is_picture(name):
        kind, legal = (
            ("pictures", "observation.image or observation.images.*")
            if pictures
            else ("numbers", "action, next.* or an observation.* that is not an image")
        )
        raise ValueError(f"{where} holds {kind} and cannot become {name!r}; legal is {legal}")


@dataclass(frozen=True)
class Array:
    """An array of a source, not yet read, with one row for every frame.

    Attributes:
        data: anything with shape, dtype and slices, (T, ...).
        source, key: the file and the name in it.
        white: what white is in pictures of floating point.
    """

    data: Any
    source: Path
    key: str
    white: float = 255.0

    @property
    def where(self) -> str:
        """How messages name it."""
        return f"{self.source}: {self.key}"

    def __len__(self) -> int:
        return self.data.shape[0]

    @property
    def width(self) -> int:
        """Numbers per frame, from the header; ValueError if it does not hold numbers, or none."""
        shape, dtype = tuple(self.data.shape), np.dtype(self.data.dtype)
        if dtype.kind not in "fiub":
            raise ValueError(f"{self.where} has dtype {dtype}; legal are floating point, integers and booleans")
        if not 1 <= len(shape) <= 3:
            raise ValueError(f"{self.where} has shape {shape}; legal is (T,), (T, D) or (T, K, D)")
        if 0 in shape[1:]:
            raise ValueError(f"{self.where} has shape {shape}, nothing in each frame")
        return math.prod(shape[1:])

    @property
    def picture_shape(self) -> tuple[int, int, int]:
        """(height, width, 3) of an array (T, height, width, 3), from its header; ValueError if it is none."""
        shape, dtype = tuple(self.data.shape), np.dtype(self.data.dtype)
        if dtype.kind != "f" and dtype != np.uint8:
            raise ValueError(f"{self.where} has dtype {dtype}; legal for pictures are uint8 and floating point")
        if len(shape) != 4 or shape[3] != 3 or 0 in shape[1:]:
            raise ValueError(f"{self.where} has shape {shape}; legal for pictures is (T, height, width, 3)")
        return int(shape[1]), int(shape[2]), 3

    def rows(self, first: int, last: int) -> np.ndarray:
        """Rows first … last − 1; ValueError if they cannot be read."""
        with reading(f"{self.where} (rows {first} to {last})"):
            return np.asarray(self.data[first:last])

    @functools.cached_property
    def _every_row(self) -> np.ndarray:
        return self.rows(0, len(self))

    def numbers(self, first: int = 0, last: int | None = None) -> np.ndarray:
        """Rows first … last − 1 as (T, D) float32, the precision LeRobot's policies read; a boolean is 0 or 1.

        A small array is read once and kept, because the chunks of its file do not end where episodes do.

        Raises:
            ValueError: values are not finite, too large for float32, or whole numbers that float32 does not have.
        """
        where = self._from(first)
        last = len(self) if last is None else last
        small = math.prod(self.data.shape) * np.dtype(self.data.dtype).itemsize <= KEEP_BYTES
        values = (self._every_row[first:last] if small else self.rows(first, last)).reshape(last - first, self.width)
        if bad := int((~np.isfinite(values)).sum()):
            frame = int(np.flatnonzero(~np.isfinite(values).all(1))[0])
            raise ValueError(
                f"{where} holds {bad} NaN or infinite values, the first in frame {frame}; all must be finite"
            )
        with np.errstate(over="ignore"):
            stored = values.astype(np.float32)
        if not np.isfinite(stored).all():
            raise ValueError(f"{where} holds {np.abs(values).max():g}; float32 ends at {np.finfo(np.float32).max:g}")
        if values.dtype.kind in "iu" and len(values):
            most = max(abs(int(values.min())), abs(int(values.max())))
            if most > _WHOLE:
                raise ValueError(f"{where} holds the whole number {most}; float32 has all of them up to {_WHOLE} only")
        return stored

    def pictures(self, first: int, last: int) -> np.ndarray:
        """Rows first … last − 1 as bytes (T, H, W, 3); floating point from black = 0 to `white` is rounded to nearest.

        Raises:
            ValueError: values outside [0, white].
        """
        values = self.rows(first, last)
        if values.dtype == np.uint8:
            return values
        low, high = float(values.min()), float(values.max())  # NaN fails the comparison as well
        if not (low >= 0 and high <= self.white):
            raise ValueError(
                f"{self._from(first)} holds values from {low:g} to {high:g}; legal are 0 to {self.white:g} (--white)"
            )
        return np.rint(np.asarray(values, dtype=np.float64) * (255 / self.white)).astype(np.uint8)

    def film(self, scratch: Path, first: int = 0, last: int | None = None) -> np.ndarray:
        """All `pictures` from first to last − 1, read in blocks; large ones lie in a temporary file in `scratch`.

        So an hour of several cameras takes no more memory than the operating system has to spare.
        """
        last = len(self) if last is None else last
        whole = (last - first, *self.picture_shape)
        if math.prod(whole) > SPOOL_BYTES:
            with tempfile.TemporaryFile(dir=scratch) as file:  # the mapping outlives the closed, nameless file
                frames: np.ndarray = np.memmap(file, np.uint8, "w+", shape=whole)
        else:
            frames = np.empty(whole, np.uint8)
        for start in range(first, last, BLOCK):
            stop = min(start + BLOCK, last)
            frames[start - first : stop - first] = self.pictures(start, stop)
        return frames

    def _from(self, first: int) -> str:
        """How messages name the rows from `first` on; frames are counted from there."""
        return f"{self.where} (from row {first})" if first else self.where


#: Feature -> the arrays it is made of: numbers end to end, or the one camera.
type Sources = dict[str, list[Array]]


def is_picture(feature: str) -> bool:
    """Whether LeRobot takes what has this name for a camera."""
    return feature.startswith("observation.image")


def features_of(sources: Sources, video: bool) -> dict[str, dict[str, Any]]:
    """LeRobot's feature table; cameras as `video` or PNG, numbers named by their keys: key, or key.0, key.1, …

    Raises:
        ValueError: an array does not suit its feature.
    """
    features: dict[str, dict[str, Any]] = {}
    for feature, arrays in sources.items():
        if is_picture(feature):
            features[feature] = picture_feature(arrays[0].picture_shape, video)
            continue
        names: list[str] = []
        for found in arrays:
            short = found.key.rpartition("/")[2]
            names += [short] if found.width == 1 else [f"{short}.{index}" for index in range(found.width)]
        features[feature] = number_feature(names)
    return features


def columns_of(sources: Sources, scratch: Path, first: int = 0, last: int | None = None) -> Columns:
    """Rows first … last − 1 of every feature; raises ValueError as `Array.numbers` and `Array.pictures` do."""
    return {
        feature: arrays[0].film(scratch, first, last)
        if is_picture(feature)
        else np.concatenate([found.numbers(first, last) for found in arrays], axis=1)
        for feature, arrays in sources.items()
    }
