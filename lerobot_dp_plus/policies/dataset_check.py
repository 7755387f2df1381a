"""Does the dataset fit the policy? Asked before any training time is spent."""

from typing import Any

from lerobot.utils.constants import ACTION
from lerobot.utils.feature_utils import dataset_to_policy_features

from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig


def check_dataset(config: DpPlusConfig, meta: Any) -> None:
    """Compare features and frame rate with a dataset's metadata, and note the frame rate in the config.

    Raises:
        ValueError: naming the feature or fps, both values, and what is legal.
    """
    offered = {key: tuple(feature.shape) for key, feature in dataset_to_policy_features(meta.features).items()}
    wanted = {key: tuple(feature.shape) for key, feature in (config.input_features or {}).items()}
    wanted[ACTION] = tuple(config.action_feature.shape) if config.action_feature else ()
    for key, shape in wanted.items():
        if key not in offered:
            raise ValueError(f"the policy reads {key}, which the dataset lacks; it has {sorted(offered)}")
        if offered[key] != shape and len(shape) == 1:
            raise ValueError(f"{key} is {shape} for the policy and {offered[key]} in the dataset; they must agree")
    if config.fps is not None and config.fps != meta.fps:
        raise ValueError(
            f"fps = {meta.fps} in the dataset, but the policy was trained at {config.fps}: its chunks would run at another "
            f"speed. Resample the dataset, or pass --policy.fps={meta.fps} to retrain at that rate knowingly"
        )
    config.fps = meta.fps
