"""ACT's and ALOHA's recordings: one episode_*.hdf5 an episode, 50 frames a second.

    /observations/qpos (T, 14)   /observations/images/CAMERA (T, height, width, 3)   /action (T, 14)

Cameras may be JPEG-compressed: (T, bytes), each row padded with zeros, with the true lengths in /compress_len.
Source: github.com/tonyzhaozh/act and github.com/tonyzhaozh/aloha (record_episodes, compress_data).
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lerobot_dp_plus.demos.converters.common import (
    Columns,
    Recording,
    by_number,
    existing,
    gather,
    names_of,
    number_feature,
    numbers,
    picture_feature,
    picture_shape,
    pictures,
    reading,
    width_of,
)
from lerobot_dp_plus.demos.converters.hdf5 import array, block, one_length, open_hdf5

COMMAND = "convert aloha-hdf5"
FPS = 50
QPOS, ACTION, IMAGES, COMPRESS_LEN = "observations/qpos", "action", "observations/images", "compress_len"
EXTRAS = {"qvel": "observation.velocity", "effort": "observation.effort"}
ARM = ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate", "gripper")
MOTORS = [f"{side}_{joint}" for side in ("left", "right") for joint in ARM]
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
    extras: tuple[str, ...] = (),
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
    source = existing(source)
    if not source.is_dir():
        raise ValueError(f"{source} is a file; give the folder that holds episode_*.hdf5")
    files = [source / name for name in by_number([path.name for path in source.glob("episode_*.hdf5")])]
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
        features[feature] = number_feature(MOTORS if width == len(MOTORS) else names_of(key, width))
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
        lengths, widths, cameras = {}, {}, {}
        for key in _numbers(extras):
            found = array(file, path, key)
            widths[key] = width_of(found.shape, found.dtype, f"{path}: {key}")
            lengths[key] = len(found)
        group = file.get(IMAGES)
        for camera in sorted(group) if group is not None else []:
            key = f"{IMAGES}/{camera}"
            found = array(file, path, key)
            lengths[key] = len(found)
            if found.ndim == 2:
                first = _decompress(found, f"{path}: {key}", "rgb", None, 0, 1)
                cameras[camera] = picture_shape(first.shape, first.dtype, f"{path}: {key}")
            else:
                cameras[camera] = picture_shape(found.shape, found.dtype, f"{path}: {key}")
        if not cameras:
            raise ValueError(f"{path}: {IMAGES} is missing or empty; an episode needs at least one camera")
        return one_length(lengths, str(path)), Layout(widths, cameras)


def _read(files: list[Path], keys: dict[str, str], jpeg_order: str, episode: int, scratch: Path) -> Columns:
    path = files[episode]
    with open_hdf5(path, COMMAND) as file:
        columns: Columns = {}
        for key, feature in keys.items():
            found = array(file, path, key)
            columns[feature] = numbers(block(found, f"{path}: {key}", 0, len(found)), f"{path}: {key}")
        lengths = array(file, path, COMPRESS_LEN)[:] if COMPRESS_LEN in file else None
        for camera in sorted(file[IMAGES]):
            key = f"{path}: {IMAGES}/{camera}"
            found = array(file, path, f"{IMAGES}/{camera}")
            if found.ndim == 2:
                shape = _decompress(found, key, jpeg_order, None, 0, 1).shape[1:]
                part = functools.partial(_decompress, found, key, jpeg_order, lengths)
            else:
                shape = found.shape[1:]
                part = functools.partial(_raw, found, key)
            columns[f"observation.images.{camera}"] = gather(len(found), shape, part, scratch)
        return columns


def _raw(found: Any, where: str, first: int, last: int) -> np.ndarray:
    return pictures(block(found, where, first, last), where, white=255)


def _decompress(found: Any, where: str, order: str, lengths: np.ndarray | None, first: int, last: int) -> np.ndarray:
    """JPEG rows first … last − 1 as pictures (last − first, H, W, 3) uint8.

    Args:
        lengths: bytes of every picture, (cameras, T) in an order of cameras that no file records; so it is required
            only that one of its rows agrees.
    """
    if found.dtype != np.uint8:
        raise ValueError(f"{where} has shape {found.shape} and dtype {found.dtype}; compressed pictures are uint8")
    decoded: list[np.ndarray] = []
    for offset, row in enumerate(block(found, where, first, last)):
        frame = first + offset
        content = row.tobytes().rstrip(b"\0")
        if not (content.startswith(_START) and content.endswith(_END)):
            raise ValueError(
                f"{where}: frame {frame} is no complete JPEG picture ({len(content)} bytes before the padding)"
            )
        if lengths is not None and (frame >= lengths.shape[1] or len(content) not in lengths[:, frame].astype(int)):
            raise ValueError(f"{where}: frame {frame} has {len(content)} bytes, which no row of {COMPRESS_LEN} says")
        with reading(f"{where}: frame {frame}"):
            decoded.append(np.asarray(Image.open(BytesIO(content)).convert("RGB")))
        if decoded[-1].shape != decoded[0].shape:
            raise ValueError(f"{where}: frame {frame} is {decoded[-1].shape}, the one before {decoded[0].shape}")
    frames = np.stack(decoded)
    return frames[..., ::-1] if order == "bgr" else frames
