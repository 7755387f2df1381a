"""What a checkpoint does: the actions a user gets for a made-up observation and fixed noise, on the CPU."""

from pathlib import Path
from typing import Any

import torch
from lerobot.configs import FeatureType, PreTrainedConfig
from lerobot.policies import get_policy_class, make_pre_post_processors
from torch import Tensor

import lerobot_policy_dp_plus  # noqa: F401  registers the policy types
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig

SEED = 20_260_101


def actions_of(folder: Path) -> Tensor:
    """One chunk (1, H − T_o + 1, A) in the robot's units, all pipelines included; the same bits for the same files.

    Raises:
        FileNotFoundError, ValueError: the checkpoint cannot be loaded strictly; by name of file, field or weights.
        FloatingPointError: an action is not finite.
    """
    config = PreTrainedConfig.from_pretrained(folder)
    if not isinstance(config, DpPlusConfig):
        raise ValueError(f"{folder} holds a policy of type {config.type!r}; published here are the dp_plus_* types")
    config.device = "cpu"
    policy = get_policy_class(config.type).from_pretrained(folder, config=config)
    overrides = {"device_processor": {"device": "cpu"}}
    preprocessor, postprocessor = make_pre_post_processors(
        config, pretrained_path=str(folder), preprocessor_overrides=overrides
    )
    generator = torch.Generator().manual_seed(SEED)
    # Any sensor may read a number between 0 and 1, and images have just this range.
    observation: dict[str, Any] = {
        key: torch.rand(1, *feature.shape, generator=generator)
        for key, feature in (config.input_features or {}).items()
        if feature.type in (FeatureType.STATE, FeatureType.ENV, FeatureType.VISUAL)
    }
    candidates = config.selection.candidates
    shape = (1, candidates, config.horizon, config.action_feature.shape[0])  # type: ignore[union-attr]
    noise = torch.randn(shape, generator=generator)
    policy.reset()
    with torch.inference_mode():
        batch = preprocessor({**observation, "task": [""]})
        chunk = policy.predict_action_chunk(batch, noise=noise if candidates > 1 else noise[:, 0])
        actions = postprocessor(chunk.reshape(-1, chunk.shape[-1])).reshape(chunk.shape).cpu()
    bad = int((~torch.isfinite(actions)).sum())
    if bad:
        raise FloatingPointError(
            f"{folder}: {bad} of {actions.numel()} actions for a made-up observation are NaN or infinite; not published"
        )
    return actions
