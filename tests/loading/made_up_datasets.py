"""Small made-up LeRobotDatasets for the tests of `loading`."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
from lerobot.datasets import LeRobotDataset

FPS = 10
LENGTHS = (7, 2, 12, 4)
TASKS = ("push the T", "turn the T", "push the T", "rest")

STATE_FEATURES = {
    "observation.state": {"dtype": "float32", "shape": (3,), "names": None},
    "observation.environment_state": {"dtype": "float64", "shape": (5,), "names": None},
    "observation.grid": {"dtype": "float32", "shape": (2, 3), "names": None},
    "action": {"dtype": "float32", "shape": (2,), "names": None},
    "next.reward": {"dtype": "float32", "shape": (1,), "names": None},
    "next.done": {"dtype": "bool", "shape": (1,), "names": None},
    "contacts": {"dtype": "bool", "shape": (2,), "names": None},
    "count": {"dtype": "int32", "shape": (2,), "names": None},
}
CAMERAS = {
    "observation.images.top": {"dtype": "", "shape": (64, 96, 3), "names": ["height", "width", "channels"]},
    "observation.images.wrist": {"dtype": "", "shape": (64, 64, 3), "names": ["height", "width", "channels"]},
}
# Windows that reach over both ends of every episode; three different ones, one of them of a single step.
WINDOWS = {
    "observation.state": [-0.2, -0.1, 0.0],
    "observation.environment_state": [-0.2, -0.1, 0.0],
    "observation.grid": [0.0],
    "action": [step / FPS for step in range(-1, 15)],
    "next.done": [0.0, 0.1],
}

#: What the loading of a training's configuration is looked at for.
CONFIG = SimpleNamespace(num_workers=0, dataloader_multiprocessing_context="spawn")


def make_dataset(root: Path, cameras: str | None = None, **read: object) -> LeRobotDataset:
    """Write episodes of `LENGTHS` frames and read them back; `cameras` is None, "image" or "video".

    Keyword arguments go to the reading LeRobotDataset. Written once per root.
    """
    features = dict(STATE_FEATURES)
    if cameras:
        features |= {key: {**feature, "dtype": cameras} for key, feature in CAMERAS.items()}
    if not root.exists():
        _write(root, features, cameras == "video")
    # Without system ffmpeg the other backend prints a hundred lines before it gives up.
    return LeRobotDataset("made/up", root=root, video_backend="pyav", **read)  # type: ignore[arg-type]


def _write(root: Path, features: dict[str, dict], use_videos: bool) -> None:
    rng = np.random.default_rng(0)
    dataset = LeRobotDataset.create("made/up", fps=FPS, features=features, root=root, use_videos=use_videos)
    for length, task in zip(LENGTHS, TASKS, strict=True):
        for _ in range(length):
            dataset.add_frame({"task": task} | {key: _value(rng, feature) for key, feature in features.items()})
        dataset.save_episode()
    dataset.finalize()


def _value(rng: np.random.Generator, feature: dict) -> np.ndarray:
    shape, dtype = feature["shape"], feature["dtype"]
    if dtype in ("image", "video"):
        return rng.integers(0, 256, shape, dtype=np.uint8)
    if dtype == "bool":
        return rng.random(shape) < 0.5
    if dtype.startswith("int"):
        return rng.integers(-5, 5, shape, dtype=dtype)
    return rng.normal(size=shape).astype(dtype)
