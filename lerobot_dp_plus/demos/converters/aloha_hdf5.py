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
from lerobot.utils.constants import ACTION, OBS_IMAGES, OBS_STATE
from PIL import Image

from lerobot_dp_plus.demos.aloha_features import JOINT_NAMES as MOTORS
from lerobot_dp_plus.demos.converters import common
from lerobot_dp_plus.demos.converters.common import Array, Columns, Recording, Sources
from lerobot_dp_plus.demos.converters.hdf5 import array, layout, open_hdf5
from lerobot_dp_plus.hub.files import by_number

COMMAND = "convert aloha-hdf5"
FPS = 50
QPOS, IMAGES, COMPRESS_LEN = "observations/qpos", "observations/images", "compress_len"
EXTRAS = {"qvel": "observation.velocity", "effort": "observation.effort"}
_START, _END = b"\xff\xd8", b"\xff\xd9"  # of every JPEG


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
    lengths: list[int] = []
    for path in files:
        with open_hdf5(path, COMMAND) as file:
            sources = _sources(file, path, extras, jpeg_order)
            length, shapes = layout(sources, str(path))
            if not lengths:
                first, features = shapes, common.features_of(sources, video)
                carried = {feature: [found.key for found in arrays] for feature, arrays in sources.items()}
        if shapes != first:
            raise ValueError(f"{path} has {shapes}, {files[0]} has {first}; all episodes of a dataset must agree")
        lengths.append(length)
    for feature in features.values():
        if feature["shape"] == (len(MOTORS),):
            feature["names"] = MOTORS

    def read(episode: int, scratch: Path) -> Columns:
        with open_hdf5(files[episode], COMMAND) as file:
            return common.columns_of(_sources(file, files[episode], extras, jpeg_order), scratch)

    yield Recording(
        source,
        fps,
        task,
        features,
        lengths,
        read,
        carried,
        [key for key in EXTRAS if key not in extras],
        "aloha",
        {"files": [path.name for path in files]},
    )


def _sources(file: Any, path: Path, extras: Collection[str], jpeg_order: str) -> Sources:
    """What an episode holds, by feature; ValueError if it has no camera."""
    sources = {
        OBS_STATE: [array(file, path, QPOS)],
        ACTION: [array(file, path, ACTION)],
        **{EXTRAS[name]: [array(file, path, f"observations/{name}")] for name in extras},
    }
    cameras = sorted(file.get(IMAGES) or [])
    if not cameras:
        raise ValueError(f"{path}: {IMAGES} is missing or empty; an episode needs at least one camera")
    lengths = array(file, path, COMPRESS_LEN).data[:] if COMPRESS_LEN in file else None
    for camera in cameras:
        found = array(file, path, f"{IMAGES}/{camera}")
        if found.data.ndim == 2:
            found = Compressed(found.data, path, found.key, order=jpeg_order, lengths=lengths)
        sources[f"{OBS_IMAGES}.{camera}"] = [found]
    return sources


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

    def pictures(self, first: int, last: int) -> np.ndarray:
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
