"""The loopback Hub of tests/hub and the tiny policies of tests/policies, here too; a small finished training."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "hub"))
sys.path.insert(0, str(Path(__file__).parent.parent / "policies"))

import pytest
import tiny
import torch
from hub_fixtures import hub, no_connections, online
from lerobot.policies import make_pre_post_processors

__all__ = ["checkpoint", "hub", "no_connections", "online"]

STATISTICS = {
    key: {"min": torch.zeros(width), "max": torch.full((width,), 512.0)}
    for key, width in (("observation.state", 4), ("action", 2))
}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Output folder of a training of five steps, whose averaged weights differ from the trained ones."""
    return finished_training(tmp_path / "run")


def finished_training(output: Path, preset: str = "dp_plus_transformer", **fields) -> Path:
    policy = tiny.trained(preset, **fields)
    step = output / "checkpoints" / "000005"
    folder = step / "pretrained_model"
    policy.save_pretrained(folder)
    for pipeline in make_pre_post_processors(policy.config, dataset_stats=STATISTICS):
        pipeline.save_pretrained(folder)
    (folder / "train_config.json").write_text(json.dumps({"dataset": {"repo_id": "made/up"}, "steps": 5, "seed": 1}))
    (step / "training_state").mkdir()
    (step / "training_state" / "training_step.json").write_text('{"step": 5}')
    (output / "checkpoints" / "last").symlink_to("000005")
    return output


def local_checkpoint(output: Path) -> Path:
    """The `pretrained_model` folder of a training's last checkpoint."""
    return output / "checkpoints" / "last" / "pretrained_model"
