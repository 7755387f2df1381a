"""Tiny policies of a simulated robot, saved whole, and what its client would send of it."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.policies import get_policy_class, make_policy_config, make_pre_post_processors

import lerobot_policy_dp_plus  # noqa: F401
from lerobot_dp_plus.encoders import SmallCnnConfig
from lerobot_dp_plus.networks import TransformerConfig
from lerobot_dp_plus.policies.processor_dp_plus import normalisation
from lerobot_dp_plus.samplers import DDIM


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function that saves a tiny policy: width of its state, camera or not, and any field of its config."""

    def save(width: int = 2, camera: bool = True, **fields: Any) -> Path:
        inputs = {"observation.state": PolicyFeature(FeatureType.STATE, (width,))}
        if camera:
            inputs["observation.images.top"] = PolicyFeature(FeatureType.VISUAL, (3, 24, 32))
        fields = {"horizon": 16, "n_action_steps": 4, "observation_stride": 2, "sampler": DDIM(2), **fields}
        config = make_policy_config(
            "dp_plus_transformer",
            device="cpu",
            push_to_hub=False,
            network=TransformerConfig(dim=16, depth=1, num_heads=2),
            image_encoder=SmallCnnConfig(num_keypoints=4, feature_dim=8),
            input_features=inputs,
            output_features={"action": PolicyFeature(FeatureType.ACTION, (2,))},
            **fields,
        )
        torch.manual_seed(0)
        policy = get_policy_class(config.type)(config)
        with torch.no_grad():  # fresh heads are zero
            for weight in policy.parameters():
                weight.add_(0.05 * torch.randn_like(weight))
        stats = {
            "observation.state": {"min": torch.zeros(width), "max": torch.full((width,), 512.0)},
            "action": {"min": torch.zeros(2), "max": torch.full((2,), 512.0)},
            "observation.images.top": {"mean": torch.full((3, 1, 1), 0.5), "std": torch.full((3, 1, 1), 0.3)},
        }
        for model in (policy.model, policy._averaged_model):
            model.units.learn(normalisation(config, stats))
        folder = tmp_path_factory.mktemp("policy")
        policy.save_pretrained(folder)
        for pipeline in make_pre_post_processors(config, dataset_stats=stats):
            pipeline.save_pretrained(folder)
        return folder

    return save


@pytest.fixture(scope="session")
def checkpoint(saved: Callable[..., Path]) -> Path:
    return saved()


@pytest.fixture(scope="session")
def robot_client(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """LeRobot's module. While it is imported it writes a log where it is, and takes all logging for itself."""
    root, here = logging.getLogger(), Path.cwd()
    handlers, level = list(root.handlers), root.level
    os.chdir(tmp_path_factory.mktemp("logs"))
    try:
        from lerobot.async_inference import robot_client
    finally:
        os.chdir(here)
        root.handlers[:], root.level = handlers, level
    return robot_client
