"""ACT's and ALOHA's recordings: one episode_*.hdf5 an episode, 50 frames a second.

    /observations/qpos (T, 14)   /observations/images/CAMERA (T, height, width, 3)   /action (T, 14)

Cameras may be JPEG-compressed: (T, bytes), each row padded with zeros, with the true lengths in /compress_len.
Source: github.com/tonyzhaozh/act and github.com/tonyzhaozh/aloha (record_episodes, compress_data).
"""

import functools
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lerobot_dp_plus.demos.aloha_features import JOINT_NAMES as MOTORS
from lerobot_dp_plus.demos.converters import common
from lerobot_dp_plus.demos.converters.common import Array, Columns, Recording
from lerobot_dp_plus.demos.converters.hdf5 import array, one_length, open_hdf5
from lerobot_dp_plus.demos.features import number_feature, picture_feature
from lerobot_dp_plus.hub.files import by_number

COMMAND = "convert aloha-hdf5"
FPS = 50
QPOS, ACTION, IMAGES, COMPRESS_LEN = "observations/qpos", "action", "observations/images", "compress_len"
EXTRAS = {"qvel": "observation.velocity", "effort": "observation.effort"}
_START, _END = b"\xff\xd8", b"\xff\xd9"  # of every JPEG


@dataclass(frozen=True)
class Layout:
    """What all episodes must agree in: widths of the numbers and (height, width, 3) of the cameras, by key."""

    widths: dict[str, int]
    cameras: dict[str, tuple[int, int, int]]


@contextmanager
def open_aloha(
    source: Path | str,
    *,
    task: str,
    fps: int = FPS,
    video: bool = True,
    extras: Collection[str] = (),
    jpeg_order: str = "rgb",
) -> Iterator[Recording]:
    """The episodes of a folder; every file's headers are read here.

    Args:
        task: the instruction.
        fps: frames per second; the files do not say.
        video: cameras as video instead of PNG.
        extras: further numbers to carry, of qvel and effort. A policy observes whatever a dataset has.
        jpeg_order: "rgb" if compressed pictures have the colours any viewer shows, "bgr" if red and blue are swapped.

    Raises:
        ValueError, FileNotFoundError: no episodes, or a file that is damaged, incomplete or unlike the first.
    """
    extras = tuple(name for name in EXTRAS if name in extras)
    source = common.existing(source)
    if not source.is_dir():
        raise ValueError(f"{source} is a file; give the folder that holds episode_*.hdf5")
    files = sorted(source.glob("episode_*.hdf5"), key=lambda path: by_number(path.name))
    if not files:
        raise ValueError(
            f"{source} holds no episode_*.hdf5; it has {sorted(path.name for path in source.iterdir())[:8]}"
        )
    inspected = [_inspect(path, extras) for path in files]
    layout = inspected[0][1]
    for path, (_, other) in zip(files, inspected, strict=True):
        if other != layout:
            raise ValueError(f"{path} has {other}, {files[0]} has {layout}; all episodes of a dataset must agree")
    features: dict[str, dict[str, Any]] = {}
    carried: dict[str, list[str]] = {}
    for key, feature in _numbers(extras).items():
        width = layout.widths[key]
        features[feature] = number_feature(MOTORS if width == len(MOTORS) else common.names_of(key, width))
        carried[feature] = [key]
    for camera, shape in layout.cameras.items():
        features[f"observation.images.{camera}"] = picture_feature(shape, video)
        carried[f"observation.images.{camera}"] = [f"{IMAGES}/{camera}"]
    yield Recording(
        source,
        fps,
        task,
        features,
        [length for length, _ in inspected],
        functools.partial(_read, files, _numbers(extras), jpeg_order),
        carried,
        [key for key in EXTRAS if key not in extras],
        "aloha",
        {"files": [path.name for path in files]},
    )


def _numbers(extras: tuple[str, ...]) -> dict[str, str]:
    return {
        QPOS: "observation.state",
        ACTION: ACTION,
        **{f"observations/{name}": EXTRAS[name] for name in extras},
    }


def _inspect(path: Path, extras: tuple[str, ...]) -> tuple[int, Layout]:
    """Frames and layout of an episode from its headers, and the size of each compressed camera from its first frame."""
    with open_hdf5(path, COMMAND) as file:
        values = {key: array(file, path, key) for key in _numbers(extras)}
        cameras = _cameras(file, path, "rgb", None)
        lengths = {key: len(found) for key, found in (values | cameras).items()}
        layout = Layout(
            {key: found.width for key, found in values.items()},
            {key.rpartition("/")[2]: found.picture_shape for key, found in cameras.items()},
        )
        return one_length(lengths, str(path)), layout


def _read(files: list[Path], keys: dict[str, str], jpeg_order: str, episode: int, scratch: Path) -> Columns:
    path = files[episode]
    with open_hdf5(path, COMMAND) as file:
        columns = {feature: array(file, path, key).numbers() for key, feature in keys.items()}
        lengths = array(file, path, COMPRESS_LEN).data[:] if COMPRESS_LEN in file else None
        for key, found in _cameras(file, path, jpeg_order, lengths).items():
            columns[f"observation.images.{key.rpartition('/')[2]}"] = found.film(scratch)
        return columns


def _cameras(file: Any, path: Path, jpeg_order: str, lengths: np.ndarray | None) -> dict[str, Array]:
    """The cameras of an episode by key; ValueError if it has none."""
    found = {f"{IMAGES}/{name}": array(file, path, f"{IMAGES}/{name}") for name in sorted(file.get(IMAGES) or [])}
    if not found:
        raise ValueError(f"{path}: {IMAGES} is missing or empty; an episode needs at least one camera")
    return {
        key: Compressed(camera.data, camera.where, jpeg_order, lengths) if camera.data.ndim == 2 else camera
        for key, camera in found.items()
    }


@dataclass(frozen=True)
class Compressed(Array):
    """A camera whose rows are JPEG pictures, padded with zeros.

    Attributes:
        order: `rgb`, or `bgr` if red and blue are swapped.
        lengths: bytes of every picture, (cameras, T) in an order of cameras that no file records; so it is required
            only that one of its rows agrees.
    """

    order: str = "rgb"
    lengths: np.ndarray | None = None

    @functools.cached_property
    def picture_shape(self) -> tuple[int, int, int]:  # type: ignore[override]
        """(height, width, 3) of the first picture."""
        return self.pictures(0, 1).shape[1:]  # type: ignore[return-value]

    def pictures(self, first: int, last: int, white: float = 255.0) -> np.ndarray:
        """Rows first … last − 1 as pictures (last − first, H, W, 3) uint8.

        Raises:
            ValueError: a row is no complete picture, or of another size.
        """
        if self.data.dtype != np.uint8:
            shape, dtype = self.data.shape, self.data.dtype
            raise ValueError(f"{self.where} has shape {shape} and dtype {dtype}; compressed pictures are uint8")
        decoded: list[np.ndarray] = []
        for frame, row in enumerate(self.rows(first, last), start=first):
            where, content = f"{self.where}: frame {frame}", row.tobytes().rstrip(b"\0")
            size = len(content)
            if not (content.startswith(_START) and content.endswith(_END)):
                raise ValueError(f"{where} is no complete JPEG picture ({size} bytes before the padding)")
            known = self.lengths
            if known is not None and (frame >= known.shape[1] or size not in known[:, frame].astype(int)):
                raise ValueError(f"{where} has {size} bytes, which no row of {COMPRESS_LEN} says")
            with common.reading(where):
                decoded.append(np.asarray(Image.open(BytesIO(content)).convert("RGB")))
            if decoded[-1].shape != decoded[0].shape:
                raise ValueError(f"{where} is {decoded[-1].shape}, the one before {decoded[0].shape}")
        frames = np.stack(decoded)
        return frames[..., ::-1] if self.order == "bgr" else frames
