"""Does the dataset fit the policy? Asked before any training time is spent."""

from typing import Any

import numpy as np
from lerobot.configs import NormalizationMode
from lerobot.utils.constants import ACTION
from lerobot.utils.feature_utils import dataset_to_policy_features

from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.processor_dp_plus import normalisation, training_statistics


def adopt_dataset(config: DpPlusConfig, meta: Any) -> None:
    """Compare features and frame rate with a dataset's metadata, and note the frame rate in the config.

    For fine-tuning, LeRobot hands the metadata's raw statistics to the saved pipeline; they are made usable here, the
    one place where a policy meets them.

    Raises:
        ValueError: naming the feature or fps, both values, and what is legal.
    """
    offered = {key: tuple(feature.shape) for key, feature in dataset_to_policy_features(meta.features).items()}
    wanted = {key: tuple(feature.shape) for key, feature in (config.input_features or {}).items()}
    wanted[ACTION] = tuple(config.action_feature.shape) if config.action_feature else ()
    missing = [key for key in wanted if key not in offered]
    # With pretrained weights a --rename_map may still supply them; if not, the first batch says what is missing.
    if missing and config.pretrained_path is None:
        raise ValueError(f"the policy reads {', '.join(missing)}, which the dataset lacks; it has {sorted(offered)}")
    if missing and config.foresight.reach:
        raise ValueError(
            f"the dataset has {sorted(offered)} and not {', '.join(missing)}, in whose units foresight predicts; a "
            "--rename_map renames no statistics: legal is a dataset whose features have these names"
        )
    for key in wanted.keys() & offered.keys():
        if offered[key] != wanted[key]:
            raise ValueError(
                f"{key} is {wanted[key]} for the policy and {offered[key]} in the dataset; they must agree"
            )
    if config.fps is not None and config.fps != meta.fps:
        raise ValueError(
            f"fps = {meta.fps} in the dataset, but the policy was trained at {config.fps}: its chunks would run at another "
            f"speed. Resample the dataset, or pass --policy.fps={meta.fps} to retrain at that rate knowingly"
        )
    config.fps = meta.fps
    config.follow(meta.fps)
    if missing or meta.stats is None:
        return
    if config.pretrained_path is not None:
        meta.stats = training_statistics(config, meta.stats)
    _check_bound(config, meta.stats)


def _check_bound(config: DpPlusConfig, stats: Any) -> None:
    """Refuse a bound on sampled actions that the dataset's own actions exceed."""
    bound, extremes = config.objective.data_bound, [stats.get(ACTION, {}).get(name) for name in ("min", "max")]
    if bound is None or any(value is None for value in extremes):
        return
    offset, scale = normalisation(config, stats)[ACTION]
    reach = max(np.abs((np.asarray(value) - offset) / np.where(scale == 0, np.inf, scale)).max() for value in extremes)
    if reach > bound * (1 + 1e-3):
        mode = config.normalization_mapping.get("ACTION", NormalizationMode.IDENTITY).value
        raise ValueError(
            f"objective.clip_range = {bound}: actions of the dataset reach {reach:.3g} with normalization_mapping ACTION = "
            f"{mode}, and would be cut; legal are MIN_MAX, a clip_range of at least that, or null with prediction x1 or v"
        )
