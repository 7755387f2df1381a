"""From arrays to a policy that acts: a recording, a training, an action. `python examples/own_data.py`"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from lerobot.datasets import LeRobotDataset

from lerobot_dp_plus import load_policy
from lerobot_dp_plus.cli import main as lerobot

JOINTS = [f"joint_{number}" for number in range(6)]


def record(root: Path, episodes: int = 8, length: int = 60, fps: int = 20) -> None:
    """Six joints that go from anywhere to rest, as a LeRobotDataset."""
    features = {key: {"dtype": "float32", "shape": (6,), "names": JOINTS} for key in ("observation.state", "action")}
    dataset = LeRobotDataset.create("local/mine", fps, features, root=root)
    random = np.random.default_rng(0)
    for _ in range(episodes):
        joints = random.uniform(-1, 1, 6).astype(np.float32)
        for _ in range(length):
            target = joints * np.float32(0.9)
            dataset.add_frame({"observation.state": joints, "action": target, "task": "go to rest"})
            joints = target
        dataset.save_episode()
    dataset.finalize()


def main(updates: int = 200) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root, output = Path(folder) / "data", Path(folder) / "train"
        record(root)
        switches = ["--policy.network.dim=64", "--policy.network.depth=2", "--batch_size=32", "--log_freq=50"]
        status = lerobot(
            [
                "train",
                "policy=dp_plus_transformer",
                f"dataset={root}",
                f"steps={updates}",
                f"output_dir={output}",
                *switches,
            ]
        )
        if status:
            sys.exit(status)
        loaded = load_policy(output, device="cpu")
        joints = np.array([0.5, -0.5, 0.2, 0.0, -0.8, 0.9], dtype=np.float32)
        print("joints", joints, "-> action", loaded.act({"observation.state": joints}).round(2))


if __name__ == "__main__":
    main()
