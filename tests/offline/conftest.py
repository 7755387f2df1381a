"""A small recording of states on disk, and a policy that a real training made of its first episodes."""

from pathlib import Path

import numpy as np
import pytest
from lerobot.datasets import LeRobotDataset

FPS, EPISODES, LENGTH = 10, 5, 40
SMALL = [
    *("--policy.network.dim=32", "--policy.network.depth=1", "--policy.network.num_heads=2"),
    *("--policy.horizon=8", "--policy.n_action_steps=4", "--policy.network.patch_size=8", "--batch_size=32"),
]


@pytest.fixture(scope="session")
def states(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder: two joints go round, each episode on a circle of its own; the action is where the state is to be next."""
    root = tmp_path_factory.mktemp("states") / "rounds"
    features = {
        key: {"dtype": "float32", "shape": (2,), "names": ["x", "y"]} for key in ("observation.state", "action")
    }
    dataset = LeRobotDataset.create("made/rounds", fps=FPS, features=features, root=root)
    for number in range(EPISODES):
        angle = 2 * np.pi * np.arange(LENGTH + 1) / 25 + number
        path = ((3 + number) * np.stack([np.cos(angle), 2 * np.sin(angle)], 1)).astype(np.float32)
        for index in range(LENGTH):
            dataset.add_frame({"observation.state": path[index], "action": path[index + 1], "task": "go round"})
        dataset.save_episode()
    dataset.finalize()
    return root


@pytest.fixture(scope="session")
def trained(states: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of a few updates on episodes 0 to 3."""
    from lerobot_dp_plus.cli import entry

    folder = tmp_path_factory.mktemp("trained") / "run"
    asked = ["train", f"dataset={states}", "policy=dp_plus_transformer", "--policy.device=cpu", *SMALL, "--steps=20"]
    asked += ["--dataset.episodes=[0,1,2,3]", f"--output_dir={folder}", "--env_eval_freq=0"]
    assert entry.main(asked) == 0
    return folder
