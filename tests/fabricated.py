"""Recordings and policies made up of random numbers, small enough for a test."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.datasets import LeRobotDataset
from lerobot.policies import get_policy_class, make_policy_config, make_pre_post_processors
from lerobot.utils.import_utils import register_third_party_plugins
from safetensors.torch import save_file
from torchvision.models import resnet18

from lerobot_dp_plus.networks import TransformerConfig

register_third_party_plugins()

IMAGE = "observation.image"
#: PushT's states and actions.
WIDTHS = {"observation.state": 2, "observation.environment_state": 16, "action": 2}


def saved_resnet(file: Path, seed: int = 0) -> Path:
    """Weights of a ResNet-18 that saw nothing, in a file."""
    torch.manual_seed(seed)
    save_file(resnet18().state_dict(), file)
    return file


def recording(root: Path, widths: Mapping[str, int] = WIDTHS, lengths: Sequence[int] = (12, 9), side: int = 0) -> Path:
    """A dataset of numbers in [0, 512) at 10 Hz, with pictures of `side` pixels if that is not 0; episodes of these lengths."""
    features: dict[str, Any] = {
        key: {"dtype": "float32", "shape": (width,), "names": None} for key, width in widths.items()
    }
    if side:
        features[IMAGE] = {"dtype": "image", "shape": (side, side, 3), "names": ["height", "width", "channels"]}
    made = LeRobotDataset.create("made/up", fps=10, features=features, root=root, use_videos=False)
    rng = np.random.default_rng(0)
    for length in lengths:
        for _ in range(length):
            values = {key: rng.uniform(0, 512, width).astype(np.float32) for key, width in widths.items()}
            if side:
                values[IMAGE] = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
            made.add_frame({**values, "task": "push"})
        made.save_episode()
    made.finalize()
    return root


def tiny_config(inputs: Mapping[str, PolicyFeature], joints: int, **fields: Any) -> Any:
    """A small transformer's config for a robot of so many joints."""
    usual: dict[str, Any] = {"horizon": 8, "network": TransformerConfig(dim=16, depth=1, num_heads=2)}
    return make_policy_config(
        "dp_plus_transformer",
        device="cpu",
        push_to_hub=False,
        n_action_steps=4,
        input_features=dict(inputs),
        output_features={"action": PolicyFeature(FeatureType.ACTION, (joints,))},
        **usual | fields,
    )


def restless(folder: Path, inputs: Mapping[str, PolicyFeature], joints: int, by: float, **fields: Any) -> Path:
    """A policy that moves at random, by so much, saved in `folder` with its processors; its data lie in [−1, 1]."""
    config = tiny_config(inputs, joints, **fields)
    made = get_policy_class(config.type)(config)
    widths = {key: feature.shape[0] for key, feature in inputs.items() if len(feature.shape) == 1} | {"action": joints}
    for weight in made.model.parameters():  # fresh networks say zero
        weight.data += by * torch.randn_like(weight)
    made.ema.module.load_state_dict(made.model.state_dict())
    for model in (made.model, made.ema.module):
        model.units.learn({key: (torch.zeros(width), torch.ones(width)) for key, width in widths.items()})
    made.save_pretrained(folder)
    stats = {key: {"min": -torch.ones(width), "max": torch.ones(width)} for key, width in widths.items()}
    for key in set(inputs) - set(widths):
        stats[key] = {"mean": torch.full((3, 1, 1), 0.5), "std": torch.full((3, 1, 1), 0.5)}
    for pipeline in make_pre_post_processors(config, dataset_stats=stats):
        pipeline.save_pretrained(folder)
    return folder
