"""Tiny policies with their pipelines, as `load_policy` gives them."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lerobot.policies import make_pre_post_processors

sys.path.insert(0, str(Path(__file__).parent.parent / "policies"))

import tiny

from lerobot_dp_plus.policies.acting import Loaded
from lerobot_dp_plus.policies.processor_dp_plus import normalisation


@pytest.fixture
def ready() -> Callable[..., Loaded]:
    """A function that makes a tiny policy, whose data lie between −100 and 300, actions between 0 and 512."""

    def make(preset: str = "dp_plus_transformer", inputs: Any = tiny.STATE, **fields: Any) -> Loaded:
        policy = tiny.policy(preset, inputs, **fields).eval()
        with torch.no_grad():  # fresh heads are zero
            for weight in policy.parameters():
                weight.add_(0.1 * torch.randn_like(weight))
        stats = {
            key: {"min": torch.full(ft.shape, -100.0), "max": torch.full(ft.shape, 300.0)} for key, ft in inputs.items()
        }
        for key in policy.config.recorded_cameras:
            stats[key] = {"mean": torch.full((3, 1, 1), 0.4), "std": torch.full((3, 1, 1), 0.2)}
        stats["action"] = {"min": torch.zeros(2), "max": torch.tensor([512.0, 64.0])}
        for model in (policy.model, policy._averaged_model):
            model.units.learn(normalisation(policy.config, stats))
        return Loaded(policy, *make_pre_post_processors(policy.config, dataset_stats=stats))

    return make
