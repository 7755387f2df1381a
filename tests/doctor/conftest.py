"""A recording on disk: a video camera, a camera of images, six joints, two tasks."""

from pathlib import Path

import numpy as np
import pytest
from doctor.made_up_recordings import ACTION, FPS, JOINTS, STATE, clean
from lerobot.configs.video import RGBEncoderConfig
from lerobot.datasets import LeRobotDataset

VIDEO, IMAGE = "observation.images.front", "observation.images.wrist"
SIZE = (48, 64)


def frame(state: np.ndarray, camera: str) -> np.ndarray:
    """A square on a ground of two greys, which goes where the first two joints are, (48, 64, 3) bytes.

    Its edges are soft: it also moves by parts of a pixel.
    """
    made = np.full((*SIZE, 3), 90.0 if camera == VIDEO else 150.0)
    made[:24] += 30
    covered = []
    for value, size in zip(state[:2], SIZE[::-1], strict=True):
        first, pixels = np.clip(size / 2 - 6 + value / 2, 0, size - 12), np.arange(size)
        covered.append((np.minimum(pixels + 1, first + 12) - np.maximum(pixels, first)).clip(0, 1))
    share = np.outer(covered[1], covered[0])[:, :, None]
    return (made * (1 - share) + share * np.array([220.0, 40.0, 40.0])).round().astype(np.uint8)


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder; the wrist camera stops in the middle of the last episode."""
    root = tmp_path_factory.mktemp("recorded") / "arm"
    made = clean(episodes=4)
    numbers = {"dtype": "float32", "shape": (6,), "names": list(JOINTS)}
    picture = {"shape": (*SIZE, 3), "names": ["height", "width", "channels"]}
    features = {STATE: numbers, ACTION: numbers, VIDEO: {"dtype": "video", **picture}}
    features[IMAGE] = {"dtype": "image", **picture}
    # LeRobot's default, AV1, stores frames of so small a motion as copies of those before.
    encoder = RGBEncoderConfig(vcodec="h264", crf=10)
    dataset = LeRobotDataset.create(
        "made/arm", fps=FPS, features=features, root=root, use_videos=True, rgb_encoder=encoder
    )
    for number, rows in made.each():
        length, held = 90, None
        for index in range(length):
            state, action = (made.columns[key][rows][index] for key in (STATE, ACTION))
            wrist = frame(state, IMAGE)
            if number == 3 and index >= 30:
                held = wrist if held is None else held
                wrist = held
            task = "open the drawer" if number % 2 else "close the drawer"
            values = {STATE: state.astype(np.float32), ACTION: action.astype(np.float32)}
            dataset.add_frame({**values, VIDEO: frame(state, VIDEO), IMAGE: wrist, "task": task})
        dataset.save_episode()
    dataset.finalize()
    return root
