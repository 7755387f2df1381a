"""Does the dataset fit the policy? Asked before any training time is spent."""

import logging
from collections.abc import Mapping
from typing import Any

from lerobot.configs import NormalizationMode
from lerobot.processor.rename_processor import rename_stats
from lerobot.utils.constants import ACTION, OBS_STATE
from lerobot.utils.feature_utils import dataset_to_policy_features

from lerobot_dp_plus.notation import GAZE
from lerobot_dp_plus.policies import embodiments
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.dataset_remarks import remark_on_statistics
from lerobot_dp_plus.policies.fitting import DTYPES
from lerobot_dp_plus.policies.host_data import Run, run_of
from lerobot_dp_plus.policies.instructions import adopt_instructions
from lerobot_dp_plus.policies.missing_statistics import refuse_without_statistics
from lerobot_dp_plus.policies.precision import emulated
from lerobot_dp_plus.policies.readable import input_features_flag, is_numeric
from lerobot_dp_plus.policies.relative_statistics import relative_statistics
from lerobot_dp_plus.policies.robots_data import adopt_robots, note_robots
from lerobot_dp_plus.policies.saved_pipelines import UsableStatistics
from lerobot_dp_plus.policies.statistics import reach_of_actions, training_statistics

logger = logging.getLogger(__name__)


def validate_features(config: DpPlusConfig, meta: Any) -> None:
    """Raise a ValueError naming a feature that cannot be read; of several robots, by the metadata of their data."""
    note_robots(config, meta)
    config.validate_features()


def adopt_dataset(config: DpPlusConfig, meta: Any) -> None:
    """Compare features and frame rate with a dataset's metadata, and note the frame rate in the config.

    What a --rename_map renames counts under its new name. For fine-tuning, LeRobot hands the metadata's raw statistics to
    the saved pipeline; they are renamed and made usable here. Text is left out of a policy that is made for the dataset.

    Raises:
        ValueError: naming the feature or fps, both values, and what is legal.
    """
    if embodiments.parts_of(meta):
        adopt_robots(config, meta, adopt_dataset)
        return
    run = run_of(config)
    names = _names((run or Run()).rename_map, meta.features)
    _leave_text_out(config, {names.get(key, key): feature for key, feature in meta.features.items()})
    # The gaze is for losses in training: no policy acts on it. It stays where one looks at it.
    kept = {GAZE} & config.privileged_features.keys()
    features = (config.input_features or {}).items()
    config.input_features = {key: feature for key, feature in features if key != GAZE or key in kept}
    refuse_without_statistics(meta)
    numeric = {key: feature for key, feature in meta.features.items() if is_numeric(feature)}
    offered = {names.get(key, key): tuple(ft.shape) for key, ft in dataset_to_policy_features(numeric).items()}
    wanted = {key: tuple(feature.shape) for key, feature in (config.input_features or {}).items()}
    wanted[ACTION] = tuple(config.action_feature.shape) if config.action_feature else ()
    missing = [key for key in wanted if key not in offered]
    # A script of somebody's own may rename in ways that nobody tells us; then the pipeline checks its statistics itself.
    deferred = bool(missing) and run is None and config.pretrained_path is not None
    if missing and not deferred:
        raise ValueError(
            f"the policy reads {', '.join(missing)}, which the dataset lacks; it has {sorted(offered)}. "
            + (
                f"--policy.input_features may leave out what is not needed: {_fitting_flag(config, offered)}"
                if config.pretrained_path is None
                else f'--rename_map={{"NAME IN THE DATASET": "{missing[0]}"}} gives a feature the name that the policy knows'
            )
        )
    if missing and config.energy_names:
        raise ValueError(
            f"the dataset has {sorted(offered)} and not {', '.join(missing)}, in whose units energies are told; a "
            "--rename_map of LeRobot's training script, or a dataset whose features have these names, is legal"
        )
    for key in wanted.keys() & offered.keys():
        if not _fits(wanted[key], offered[key], key in config.image_features):
            raise ValueError(
                f"{key} is {wanted[key]} for the policy and {offered[key]} in the dataset; they must agree"
            )
    if config.fps is not None and config.fps != meta.fps:
        raise ValueError(
            f"fps = {meta.fps} in the dataset, but the policy was trained at {config.fps}: its chunks would run at another "
            f"speed. Resample the dataset, or pass --policy.fps={meta.fps} to retrain at that rate knowingly"
        )
    config.fps = meta.fps
    if str(config.device) == "cpu" and config.dtype in DTYPES and emulated(config.dtype, "cpu"):
        logger.warning(
            "dtype = %s: this processor only imitates it and takes many times as long as in float32; pass "
            "--policy.dtype=float32",
            config.dtype,
        )
    config.follow(meta.fps)
    _say_sizes(config)
    adopt_instructions(config, meta, (run or Run()).episodes)
    if missing:
        return
    if names:
        meta.stats = rename_stats(meta.stats, names)
    if config.use_relative_actions:
        state = next((old for old, new in names.items() if new == OBS_STATE), OBS_STATE)
        meta.stats = {**meta.stats, ACTION: relative_statistics(config, meta, state)}
    remark_on_statistics(config, meta.stats)
    if config.pretrained_path is not None:
        meta.stats = UsableStatistics(training_statistics(config, meta.stats))
    _check_bound(config, meta.stats)


def _names(rename_map: Mapping[str, str], features: Mapping[str, Any]) -> dict[str, str]:
    """What of a --rename_map concerns the dataset; LeRobot renames observations only.

    Raises:
        ValueError: two features would get one name.
    """
    names = {old: new for old, new in rename_map.items() if old in features and old.startswith("observation.")}
    for old, new in names.items():
        others = [key for key in features if key != old and names.get(key, key) == new]
        if others:
            raise ValueError(
                f"rename_map: {old!r} becomes {new!r}, and so does {others[0]!r} of the dataset; name only one of them so"
            )
    return names


def _leave_text_out(config: DpPlusConfig, features: Mapping[str, Any]) -> None:
    """Take what is neither numbers nor pictures out of the policy's observations, and say so.

    Raises:
        ValueError: it is the action, or the policy's weights were trained with it, or nothing else is left.
    """
    inputs = config.input_features or {}
    text = [key for key in (*inputs, ACTION) if key in features and not is_numeric(features[key])]
    if not text:
        return
    kinds = {key: features[key].get("dtype") for key in text}
    kept = {key: feature for key, feature in inputs.items() if key not in text}
    if ACTION in text or config.pretrained_path is not None or not kept:
        raise ValueError(f"features of type {kinds} hold no numbers, and this policy reads numbers and pictures only")
    config.input_features = kept
    logger.warning(
        "left out of the observations: %s hold no numbers, and this policy reads none else. Without this message: %s",
        kinds,
        input_features_flag(kept),
    )


def _say_sizes(config: DpPlusConfig) -> None:
    """Say once what pictures are shrunk to."""
    seen, said = config.camera_features, []
    for key, (_, height, width) in config.recorded_cameras.items():
        if seen[key][1:] != (height, width):
            said.append(f"{key} from {height}×{width} to {seen[key][1]}×{seen[key][2]}")
    if said:
        logger.info("pictures are shrunk before they are encoded (image_encoder.resize): %s", "; ".join(said))


def _fitting_flag(config: DpPlusConfig, offered: Mapping[str, Any]) -> str:
    return input_features_flag({key: ft for key, ft in (config.input_features or {}).items() if key in offered})


def _fits(wanted: tuple[int, ...], offered: tuple[int, ...], is_picture: bool) -> bool:
    """Whether shapes agree; LeRobot knows channels that come last only by the name "channels", and turns them all."""
    return wanted == offered or (is_picture and len(offered) == 3 and wanted == (offered[2], *offered[:2]))


def _check_bound(config: DpPlusConfig, stats: Any) -> None:
    """Refuse a bound on sampled actions that the dataset's own actions exceed."""
    bound, reach = config.objective.data_bound, reach_of_actions(config, stats)
    if bound is None or reach is None:
        return
    if reach > bound * (1 + 1e-3):
        mode = config.normalization_mapping.get("ACTION", NormalizationMode.IDENTITY).value
        raise ValueError(
            f"objective.clip_range = {bound}: actions of the dataset reach {reach:.3g} with normalization_mapping ACTION = "
            f"{mode}, and would be cut; legal are MIN_MAX, a clip_range of at least that, or null with prediction x1 or v"
        )
