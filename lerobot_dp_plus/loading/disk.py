"""Decoded frames in files that are mapped into memory: for cameras whose frames do not fit there.

A dataset's camera is decoded once, at the size that the policy sees, into one file of N·C·H·W bytes, and found again by every
later training. The operating system keeps in memory what is used and drops it when memory runs short, so the same code
serves both sides of the limit.
"""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from lerobot.datasets import LeRobotDataset
from torch import Tensor

from lerobot_dp_plus.loading.columns import NotInMemory
from lerobot_dp_plus.loading.frames import camera_bytes
from lerobot_dp_plus.loading.sizes import AS_RECORDED, Sizes

FRAMES, ABOUT = "frames.u8", "about.json"
_FORMAT, _SHRUNK = 1, 1
_SPARE = 2**30  # bytes left free on the disk


class MappedFrames:
    """All frames of a camera, (N, C, H, W) uint8, in a file; a worker process gets the path and maps it anew.

    Raises:
        NotInMemory: the file has another size.
    """

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self.path, self.shape = path, shape
        if path.stat().st_size != math.prod(shape):
            raise NotInMemory(
                f"{path} has {path.stat().st_size:,} bytes and should have {math.prod(shape):,}; remove it"
            )
        # Private: nothing that is done to the tensor can reach the file.
        flat = torch.from_file(str(path), shared=False, size=math.prod(shape), dtype=torch.uint8)
        self.tensor = flat.view(shape)

    def __reduce__(self) -> tuple[Any, ...]:
        return MappedFrames, (self.path, self.shape)


class FrameCache:
    """A folder with one sub-folder for each camera of each dataset; safe to delete when no training runs.

    An entry is found by what its frames depend on: names, sizes and times of the dataset's files, the selected
    episodes, the decoder and its version. It is written beside its place and renamed, so it is complete or absent, and
    a lock keeps a second training waiting instead of decoding the same.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).expanduser().absolute()

    def holds(self, dataset: LeRobotDataset, sizes: Sizes = AS_RECORDED) -> bool:
        """Whether every camera of `dataset` is here, at its size."""
        return all((self.folder(dataset, key, sizes.get(key)) / ABOUT).is_file() for key in dataset.meta.camera_keys)

    def refuse_full_disk(self, datasets: Iterable[tuple[LeRobotDataset, Sizes]]) -> None:
        """Raise NotInMemory if the cameras that are not here yet, at their sizes, would fill the disk."""
        absent = {
            self.folder(dataset, key, sizes.get(key)): camera_bytes(dataset, key, sizes.get(key))
            for dataset, sizes in datasets
            for key in dataset.meta.camera_keys
            if not (self.folder(dataset, key, sizes.get(key)) / ABOUT).is_file()
        }
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NotInMemory(f"cache_dir={self.root} cannot be made: {error}") from error
        free = shutil.disk_usage(self.root).free
        if absent and sum(absent.values()) + _SPARE > free:
            raise NotInMemory(
                f"the images take {sum(absent.values()) / 2**30:,.1f} GiB decoded and cache_dir={self.root} has "
                f"{free / 2**30:,.1f} GiB free, of which {_SPARE / 2**30:g} must stay so"
            )

    def frames(
        self,
        dataset: LeRobotDataset,
        key: str,
        decode: Callable[[], Iterator[Tensor]],
        size: tuple[int, int] | None = None,
    ) -> MappedFrames:
        """The frames of a camera, decoded, and shrunk to `size` if there is one, by `decode()` if they are not here yet.

        Raises:
            NotInMemory: they cannot be written, or not all of them came.
        """
        folder = self.folder(dataset, key, size)
        try:
            with FileLock(folder.with_name(f"{folder.name}.lock")):
                if not (folder / ABOUT).is_file():
                    self._write(folder, dataset, key, decode())
        except OSError as error:
            raise NotInMemory(f"{folder} cannot be written: {error}") from error
        about = json.loads((folder / ABOUT).read_text())
        return MappedFrames(folder / FRAMES, tuple(about["shape"]))

    def folder(self, dataset: LeRobotDataset, key: str, size: tuple[int, int] | None = None) -> Path:
        """Where the frames of a camera, shrunk to `size` or whole, lie, or would."""
        return self.root / f"{dataset.root.name}-{key}-{fingerprint(dataset, key, size)}"

    def _write(self, folder: Path, dataset: LeRobotDataset, key: str, frames: Iterator[Tensor]) -> None:
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed: the lock is ours
        shutil.rmtree(folder, ignore_errors=True)  # without its note it is none of ours either
        partial.mkdir(parents=True)
        try:
            count, shape = 0, torch.Size()
            with open(partial / FRAMES, "wb") as file:
                for frame in frames:
                    count, shape = count + 1, frame.shape
                    file.write(frame.contiguous().numpy().data)
                file.flush()
                os.fsync(file.fileno())
            if count != len(dataset):
                raise NotInMemory(f"{key!r} gave {count} frames of {len(dataset)}")
            about = {"shape": [count, *shape], "camera": key, "dataset": str(dataset.root), "repo_id": dataset.repo_id}
            (partial / ABOUT).write_text(json.dumps(about, indent=2) + "\n")
            partial.rename(folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise


def fingerprint(dataset: LeRobotDataset, key: str, size: tuple[int, int] | None = None) -> str:
    """What the decoded frames of a camera depend on, as 16 hexadecimal digits.

    Files count by name, size and time of change: reading gigabytes again would cost what the cache saves.
    """
    is_video = key in dataset.meta.video_keys
    folders = ["meta", "data", *([f"videos/{key}"] if is_video else [])]
    files = sorted(path for folder in folders for path in (dataset.root / folder).rglob("*") if path.is_file())
    stats = [(path.relative_to(dataset.root).as_posix(), path.stat()) for path in files]
    decoder = [dataset._video_backend, _version("av"), _version("torchcodec")] if is_video else [_version("pillow")]
    facts = {
        "format": _FORMAT,
        "camera": key,
        "feature": dataset.meta.features[key]["dtype"],
        "episodes": dataset.episodes,
        "tolerance": dataset.tolerance_s,
        "decoder": [*decoder, _version("lerobot")],
        "files": [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats],
        **({} if size is None else {"shrunk": [_SHRUNK, *size]}),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # torchcodec is not built for every platform
        return None


def default_cache_dir() -> Path:
    """Beside LeRobot's own datasets: $HF_LEROBOT_HOME/decoded_frames."""
    from lerobot.utils.constants import HF_LEROBOT_HOME

    return HF_LEROBOT_HOME / "decoded_frames"
