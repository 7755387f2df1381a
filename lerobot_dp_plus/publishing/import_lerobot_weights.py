"""LeRobot's weights under our names, and the condition's columns in our order."""

from collections.abc import Mapping

import torch
from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
from torch import Tensor

from lerobot_dp_plus.networks.unet1d import LEROBOT_PREFIX
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusUnetConfig

ENCODER_PREFIX = "diffusion.rgb_encoder."
#: Of an image encoder: LeRobot's names and ours.
ENCODER_NAMES = {"pool.nets.": "attention.", "out.": "project.0."}
#: Of an image encoder, and without effect: the grid of the spatial softmax, which is computed, and a counter.
WITHOUT_EFFECT = ("pool.pos_grid", "num_batches_tracked")


def translate_weights(
    weights: Mapping[str, Tensor], theirs: DiffusionConfig, ours: DpPlusUnetConfig
) -> dict[str, Tensor]:
    """A state dict for `DpPlusUnetPolicy`; what belongs nowhere keeps its name, for strict loading to refuse it."""
    columns = condition_columns(theirs, ours)
    time_dim = theirs.diffusion_step_embed_dim
    state: dict[str, Tensor] = {}
    for key, value in weights.items():
        if key.startswith(LEROBOT_PREFIX):
            if key.endswith("cond_encoder.1.weight") and value.shape[1] == time_dim + len(columns):
                value = torch.cat([value[:, :time_dim], value[:, time_dim:][:, columns]], dim=1)
            state["model.network." + key.removeprefix(LEROBOT_PREFIX)] = value
        elif key.startswith(ENCODER_PREFIX):
            if not key.endswith(WITHOUT_EFFECT):
                state[encoder_name(key, list(theirs.image_features), ours)] = value
        else:
            state[key] = value
    return state


def encoder_name(key: str, cameras: list[str], ours: DpPlusUnetConfig) -> str:
    """`diffusion.rgb_encoder.1.out.bias` -> `model.encoder.image_encoders.observation/images/top.project.0.bias`."""
    rest = key.removeprefix(ENCODER_PREFIX)
    name = "shared"
    if not ours.image_encoder.share_across_cameras:
        index, _, rest = rest.partition(".")
        if not index.isdecimal() or int(index) >= len(cameras):
            return key
        name = cameras[int(index)].replace(".", "/")
    for old, new in ENCODER_NAMES.items():
        if rest.startswith(old):
            rest = new + rest.removeprefix(old)
    return f"model.encoder.image_encoders.{name}.{rest}"


def condition_columns(theirs: DiffusionConfig, ours: DpPlusUnetConfig) -> list[int]:
    """Which of LeRobot's T_o·C condition features stands at each of ours.

    Per observation step LeRobot has its state, its cameras as the config lists them, its environment state; we have
    states, then cameras, each sorted by name.
    """
    widths = {key: feature.shape[0] for key, feature in (ours.input_features or {}).items()}
    widths |= {key: 2 * theirs.spatial_softmax_num_keypoints for key in theirs.image_features}
    starts, width = {}, 0
    for key in ours.input_features or {}:  # in LeRobot's order, see `used_features`
        starts[key], width = width, width + widths[key]
    order = [*ours.low_dimensional_features, *ours.camera_features]
    step = [starts[key] + offset for key in order for offset in range(widths[key])]
    return [index * width + column for index in range(theirs.n_obs_steps) for column in step]
