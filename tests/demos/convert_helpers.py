"""What the tests of the converters share: made-up episodes, and datasets read back through LeRobot."""

from pathlib import Path

import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

SIZE = (64, 96)  # height and width of pictures


def scene(length: int, seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Pictures (T, H, W, 3) uint8 of a soft spot that moves: what a video codec can keep."""
    height, width = size
    y, x = np.mgrid[0:height, 0:width]
    frames = []
    for step in range(length):
        centre_y, centre_x = 10 + 3 * step + seed, 20 + 5 * step
        spot = np.exp(-((y - centre_y % height) ** 2 + (x - centre_x % width) ** 2) / 200)
        frames.append(np.stack([40 + 200 * spot, 60 + 0 * spot, 220 - 180 * spot], axis=-1))
    return np.array(frames).astype(np.uint8)


def read_back(root: Path) -> tuple[LeRobotDataset, dict[str, np.ndarray]]:
    """The dataset and every frame of it as LeRobot gives them, (N, *shape); pictures as bytes (N, H, W, 3)."""
    dataset = LeRobotDataset("read/back", root=root, video_backend="pyav")
    samples = [dataset[index] for index in range(len(dataset))]
    columns = {}
    for key, feature in dataset.meta.features.items():
        column = np.stack([np.asarray(sample[key]) for sample in samples])
        if feature["dtype"] in ("image", "video"):
            column = np.round(column.transpose(0, 2, 3, 1) * 255).astype(np.uint8)
        columns[key] = column
    return dataset, columns


def psnr(one: np.ndarray, two: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two pictures in dB."""
    return float(10 * np.log10(255**2 / np.square(one.astype(float) - two).mean()))


def nothing_left(folder: Path, *but: Path) -> bool:
    """Whether `folder` holds only what is named: no dataset, no part of one, no temporary file."""
    return sorted(folder.iterdir()) == sorted(but)
