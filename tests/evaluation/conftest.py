"""Made-up material, and the scripts of tests/policies: what LeRobot's eval writes, a policy that wavers between two ways, a tiny dataset."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "policies"))

import numpy as np
import pytest
import torch
from torch import Tensor


@pytest.fixture
def eval_info(tmp_path: Path) -> Callable[..., Path]:
    """Writes an eval_info.json of the given successes and largest rewards."""

    def write(successes: list[bool], max_rewards: list[float]) -> Path:
        metrics = {"successes": successes, "max_rewards": max_rewards, "sum_rewards": max_rewards}
        metrics["video_paths"] = ["videos/pusht_0/eval_episode_0.mp4"]
        info = {
            "per_task": [{"task_group": "pusht", "task_id": 0, "metrics": metrics}],
            "overall": {"eval_s": 12.5},
        }
        path = tmp_path / "eval_info.json"
        path.write_text(json.dumps(info))
        return path

    return write


class Waverer:
    """Goes left or right of straight ahead, at random; H = 8 steps of 2 coordinates."""

    config = SimpleNamespace(type="dp_plus_fake", device="cpu", n_obs_steps=2, n_action_steps=4, image_features={})

    def __init__(self) -> None:
        self.seen = 0
        self.resets = 0

    def reset(self) -> None:
        self.seen, self.resets = 0, self.resets + 1

    def select_action(self, batch: dict[str, Any]) -> Tensor:
        self.seen += 1
        return batch["observation.state"] + 1.0

    def predict_action_chunk(self, batch: dict[str, Any]) -> Tensor:
        self.seen += 1
        state = batch["observation.state"]  # (B, 2)
        side = torch.randint(0, 2, (len(state), 1, 1)) * 2.0 - 1.0
        ahead = torch.arange(1, 9).view(1, 8, 1) * torch.tensor([0.0, -10.0])
        return state[:, None] + ahead + side * torch.arange(1, 9).view(1, 8, 1) * torch.tensor([8.0, 0.0])


@pytest.fixture
def waverer() -> Any:
    """A `Checkpoint` of a `Waverer` without normalisation."""
    from lerobot_dp_plus.evaluation.checkpoint import Checkpoint

    return Checkpoint(Waverer(), preprocessor=lambda batch: batch, postprocessor=lambda action: action)


@pytest.fixture(scope="session")
def tiny_pusht(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a LeRobotDataset of two episodes of 30 frames, in which the agent drifts to the middle."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    shapes = {"observation.state": 2, "observation.environment_state": 16, "action": 2}
    features = {key: {"dtype": "float32", "shape": (size,), "names": None} for key, size in shapes.items()}
    root = tmp_path_factory.mktemp("data") / "tiny_pusht"
    dataset = LeRobotDataset.create("local/tiny_pusht", fps=10, features=features, root=root, use_videos=False)
    random = np.random.default_rng(0)
    for _ in range(2):
        agent, keypoints = random.uniform(60, 450, 2), random.uniform(100, 400, 16)
        for _ in range(30):
            action = agent + 0.2 * (256 - agent)
            frame = {"observation.state": agent, "observation.environment_state": keypoints, "action": action}
            dataset.add_frame({key: value.astype(np.float32) for key, value in frame.items()} | {"task": "push"})
            agent = action
        dataset.save_episode()
    dataset.finalize()
    return root
