"""Tiny policies of every preset and made-up batches for them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.policies import get_policy_class, make_policy_config
from torch import Tensor

from lerobot_dp_plus import heads
from lerobot_dp_plus.encoders import SmallCnnConfig
from lerobot_dp_plus.networks import (
    DiTConfig,
    LSTMConfig,
    MixtureConfig,
    NetworkConfig,
    TransformerConfig,
    UNet1dConfig,
)
from lerobot_dp_plus.networks.backbones import Scratch
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy

PRESETS = ("dp_plus_unet", "dp_plus_transformer", "dp_plus_flow", "dp_plus_dit", "dp_plus_pi0")
#: The same policy with the heads of the field's baselines.
BASELINES = ("dp_plus_bc", "dp_plus_gmm", "dp_plus_ibc", "dp_plus_bet")
ACTION_DIM, HORIZON, BATCH = 2, 8, 3
ACTION = {"action": PolicyFeature(FeatureType.ACTION, (ACTION_DIM,))}

STATE = {"observation.state": PolicyFeature(FeatureType.STATE, (4,))}
ENV_STATE = {"observation.environment_state": PolicyFeature(FeatureType.ENV, (5,))}
IMAGES = {"observation.image": PolicyFeature(FeatureType.VISUAL, (3, 32, 32))}
TWO_CAMERAS = {
    "observation.images.top": PolicyFeature(FeatureType.VISUAL, (3, 24, 32)),
    "observation.images.wrist": PolicyFeature(FeatureType.VISUAL, (3, 32, 20)),
}
OBSERVATIONS = {
    "state": STATE,
    "environment state": ENV_STATE,
    "image": IMAGES,
    "mix": {**TWO_CAMERAS, **STATE, **ENV_STATE},
}


def network(preset: str) -> NetworkConfig:
    if preset == "dp_plus_unet":
        return UNet1dConfig(down_dims=(8, 16), n_groups=4, time_embed_dim=8)
    if preset == "dp_plus_gmm":
        return LSTMConfig(dim=16, depth=1)
    size = {"dim": 16, "depth": 1, "num_heads": 2}
    if preset == "dp_plus_pi0":
        return MixtureConfig(**size, head_dim=8, backbone=Scratch(dim=24))
    return DiTConfig(**size) if preset == "dp_plus_dit" else TransformerConfig(**size)


def config(
    preset: str = "dp_plus_transformer", inputs: dict[str, PolicyFeature] = STATE, **fields: Any
) -> DpPlusConfig:
    """A config with `sampler_steps` network steps (2) and any other field given by name."""
    steps = fields.pop("sampler_steps", 2)
    encoder = SmallCnnConfig(num_keypoints=8, feature_dim=32)
    fields = {"horizon": HORIZON, "n_action_steps": 3, "network": network(preset), "image_encoder": encoder, **fields}
    made = make_policy_config(
        preset,
        device="cpu",
        push_to_hub=False,
        input_features=dict(inputs),
        output_features=dict(ACTION),
        **fields,
    )
    assert isinstance(made, DpPlusConfig)
    if "sampler" not in fields and "sampler" in heads.head_of(made.objective).uses:
        made.sampler = replace(made.sampler, num_steps=steps)
    return made


def policy(
    preset: str = "dp_plus_transformer", inputs: dict[str, PolicyFeature] = STATE, **fields: Any
) -> DpPlusPolicy:
    return build(config(preset, inputs, **fields))


def build(made: DpPlusConfig) -> DpPlusPolicy:
    return get_policy_class(made.type)(made)  # type: ignore[return-value]


def trained(
    preset: str = "dp_plus_transformer", inputs: dict[str, PolicyFeature] = STATE, **fields: Any
) -> DpPlusPolicy:
    """A policy after two updates: heads no longer zero, average and weights no longer equal."""
    made = policy(preset, inputs, **fields)
    return learned(made, lambda: training_batch(made.config), updates=2)


def learned(made: DpPlusPolicy, make_batch: Callable[[], dict[str, Any]], updates: int = 3) -> DpPlusPolicy:
    """The policy after some updates, each on a new batch."""
    optimizer = torch.optim.Adam(made.get_optim_params(), lr=1e-2)
    for _ in range(updates):
        update(made, optimizer, make_batch())
    return made.eval()


def taught_to_go_on(made: DpPlusPolicy, updates: int, size: int) -> DpPlusPolicy:
    """The policy after chunks whose actions are all one number, which no observation tells and the chunk's beginning does."""

    def batch() -> dict[str, Any]:
        made_up = training_batch(made.config, size)
        return made_up | {"action": (torch.rand(size, 1, 1) * 2 - 1).expand_as(made_up["action"])}

    return learned(made, batch, updates)


def step(made: DpPlusPolicy, optimizer: torch.optim.Optimizer, **batch: Any) -> None:
    update(made, optimizer, training_batch(made.config, **batch))


def update(made: DpPlusPolicy, optimizer: torch.optim.Optimizer, batch: dict[str, Any]) -> None:
    made.train()
    optimizer.zero_grad()
    made(batch)[0].backward()
    optimizer.step()
    made.update()


def frame(made: DpPlusConfig, batch_size: int = BATCH) -> dict[str, Tensor]:
    """One observed frame, each value (B, ...), normalised."""
    return {key: torch.rand(batch_size, *ft.shape) * 2 - 1 for key, ft in (made.input_features or {}).items()}


def window(frames: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Frames, each value (B, ...), as (B, T_o, ...)."""
    return {key: torch.stack([one[key] for one in frames], dim=1) for key in frames[0]}


def training_batch(made: DpPlusConfig, batch_size: int = BATCH) -> dict[str, Any]:
    """What LeRobot's loader and pipeline give, a padded end included."""
    batch: dict[str, Any] = window([frame(made, batch_size) for _ in range(made.n_obs_steps)])
    batch["action"] = torch.rand(batch_size, made.horizon, ACTION_DIM) * 2 - 1
    batch["action_is_pad"] = torch.zeros(batch_size, made.horizon, dtype=torch.bool)
    batch["action_is_pad"][0, -2:] = True
    batch["task"] = ["push"] * batch_size
    if made.spoken_features:
        batch |= said(made, batch["task"])
    batch["index"] = torch.arange(batch_size)
    return batch


def said(made: DpPlusConfig, sentences: list[str]) -> dict[str, Tensor]:
    """What the pipeline makes of instructions."""
    return dict(zip(made.spoken_features, made.words.ids(sentences), strict=True))


def as_one_graph[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """The function traced whole; without Inductor, which would take minutes to say the same."""
    return torch.compile(function, fullgraph=True, dynamic=False, backend="eager")


def noise(made: DpPlusConfig, batch_size: int = BATCH, seed: int = 1) -> Tensor:
    """(B, H, A)."""
    return torch.randn(batch_size, made.horizon, ACTION_DIM, generator=torch.Generator().manual_seed(seed))
