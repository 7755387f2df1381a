"""Did every frame and action survive? The written files, read back and compared with the source."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from lerobot.datasets.lerobot_dataset import LeRobotDatasetMetadata
from lerobot.datasets.video_utils import decode_video_frames
from PIL import Image
from tqdm import tqdm

from lerobot_dp_plus.demos.converters.common import BLOCK, Recording

#: Rows of a table held at a time, pictures included.
_ROWS = 256
_MOST_PSNR = 100.0  # what an exact copy counts as, in dB


def compare(folder: Path, repo_id: str, recording: Recording, scratch: Path, min_psnr: float) -> dict[str, Any]:
    """Compare every value of the dataset in `folder` with the source, read a second time.

    Numbers and PNG pictures must be equal bit for bit. Video is lossy: every frame must come within `min_psnr` decibels
    of its own source frame, PSNR = 10·log₁₀(255² / mean squared error). Statistics must cover every frame, and their
    bounds must be those of the source.

    Returns:
        figures for the note beside the data.

    Raises:
        ValueError: naming the episode, feature and frame that differ.
    """
    meta = LeRobotDatasetMetadata(repo_id, root=folder)
    expected = (len(recording.lengths), sum(recording.lengths), recording.fps)
    found = (meta.total_episodes, meta.total_frames, meta.fps)
    if found != expected:
        raise ValueError(f"{folder}: episodes, frames and fps are {found} in the metadata, {expected} in the source")
    rows = _Rows(folder)
    bounds: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    worst: dict[str, float] = {}
    for episode, length in enumerate(tqdm(recording.lengths, desc="checking", unit="episode")):
        table = rows.take(length)
        _same(table["episode_index"].to_numpy(), np.full(length, episode), episode, "episode_index")
        _same(table["frame_index"].to_numpy(), np.arange(length), episode, "frame_index")
        for key, column in recording.read(episode, scratch).items():
            kind = recording.features[key]["dtype"]
            if kind == "video":
                quality = _video_quality(meta, episode, key, column, recording.fps)
                frame = int(quality.argmin())
                if not quality[frame] >= min_psnr:
                    raise ValueError(
                        f"{recording.source}: episode {episode}, {key}: frame {frame} has {quality[frame]:.1f} dB after "
                        f"video encoding and must have {min_psnr:g} (--min-psnr); --no-video stores pictures exactly"
                    )
                worst[key] = min(worst.get(key, _MOST_PSNR), round(float(quality[frame]), 2))
            elif kind == "image":
                for first in range(0, length, BLOCK):
                    read = np.stack([_decoded(cell.as_py()) for cell in table[key][first : first + BLOCK]])
                    _same(read, column[first : first + BLOCK], episode, key, first)
            else:
                read = np.array(table[key].to_pylist(), dtype=column.dtype).reshape(column.shape)
                _same(read, column, episode, key)
                low, high = bounds.get(key, (column[0], column[0]))
                bounds[key] = np.minimum(low, column.min(0)), np.maximum(high, column.max(0))
    rows.refuse_more()
    _check_statistics(meta, bounds)
    exact = sorted(set(recording.features) - set(worst))
    return {"exact": exact, "least_psnr_db": worst, "frames": sum(recording.lengths)}


class _Rows:
    """The rows of all parquet files in order, a few at a time."""

    def __init__(self, folder: Path) -> None:
        files = map(pq.ParquetFile, sorted((folder / "data").rglob("*.parquet")))
        self._batches = (pa.Table.from_batches([batch]) for file in files for batch in file.iter_batches(_ROWS))
        self._ahead: list[pa.Table] = []

    def take(self, count: int) -> pa.Table:
        """The next `count` rows."""
        while (held := sum(len(table) for table in self._ahead)) < count:
            following = next(self._batches, None)
            if following is None:
                raise ValueError(f"the written table ends {count - held} rows early")
            self._ahead.append(following)
        table = pa.concat_tables(self._ahead)
        self._ahead = [table.slice(count)]
        return table.slice(0, count)

    def refuse_more(self) -> None:
        """Raise ValueError if any row is left."""
        if any(len(table) for table in self._ahead) or next(self._batches, None) is not None:
            raise ValueError("the written table has more rows than the source has frames")


def _same(read: np.ndarray, column: np.ndarray, episode: int, key: str, first: int = 0) -> None:
    if not np.array_equal(read, column):
        unequal = (read != column).reshape(len(column), -1).any(1)
        frame = first + int(np.flatnonzero(unequal)[0])
        raise ValueError(f"episode {episode}: {key} was not stored as it is in the source, first in frame {frame}")


def _decoded(cell: dict[str, Any]) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(cell["bytes"])).convert("RGB"))


def _video_quality(meta: LeRobotDatasetMetadata, episode: int, key: str, frames: np.ndarray, fps: int) -> np.ndarray:
    """PSNR of every frame in dB, (T,)."""
    path = meta.root / meta.get_video_file_path(episode, key)
    start = meta.episodes[episode][f"videos/{key}/from_timestamp"]
    quality: list[float] = []
    for first in range(0, len(frames), BLOCK):
        own = frames[first : first + BLOCK]
        moments = [start + (first + index) / fps for index in range(len(own))]
        read = decode_video_frames(path, moments, tolerance_s=1e-4, backend="pyav", return_uint8=True)
        for one, two in zip(read.permute(0, 2, 3, 1).numpy(), own, strict=True):
            error = np.square(one.astype(np.float32) - two).mean()
            quality.append(min(10 * np.log10(255**2 / max(error, 1e-6)), _MOST_PSNR))
    return np.array(quality)


def _check_statistics(meta: LeRobotDatasetMetadata, bounds: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    for key, (low, high) in bounds.items():
        found = meta.stats[key]
        if int(np.ravel(found["count"])[0]) != meta.total_frames:
            raise ValueError(f"statistics of {key} count {found['count']} frames of {meta.total_frames}")
        for name, bound in (("min", low), ("max", high)):
            if not np.array_equal(np.ravel(found[name]).astype(bound.dtype), np.ravel(bound)):
                raise ValueError(f"statistics of {key}: {name} is {found[name]}, the source's is {bound}")
