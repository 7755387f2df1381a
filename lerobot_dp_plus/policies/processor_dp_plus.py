"""LeRobot's processing pipelines, with its step names, for every policy type."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import draccus
import numpy as np
import torch
from lerobot.configs import NormalizationMode, PipelineFeatureType, PolicyFeature
from lerobot.configs.types import FeatureType
from lerobot.lerobot_types import EnvTransition, TransitionKey
from lerobot.processor import PolicyAction, PolicyProcessorPipeline, ProcessorStep, ProcessorStepRegistry
from lerobot.processor.factory import make_default_policy_processor_steps, make_policy_processor_pipelines
from torch import Tensor

from lerobot_dp_plus.augmentation import Augmentation, NoAugmentation
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.randomness import drawing_from, new_stream

Pipelines = tuple[
    PolicyProcessorPipeline[dict[str, Any], dict[str, Any]], PolicyProcessorPipeline[PolicyAction, PolicyAction]
]

#: Statistics each mode of normalisation reads.
NEEDED = {
    NormalizationMode.MEAN_STD: ("mean", "std"),
    NormalizationMode.MIN_MAX: ("min", "max"),
    NormalizationMode.QUANTILES: ("q01", "q99"),
    NormalizationMode.QUANTILE10: ("q10", "q90"),
}


@ProcessorStepRegistry.register("dp_plus_augmentation_processor")
@dataclass
class AugmentationProcessorStep(ProcessorStep):
    """Augments training samples in the dataset's units. What passes: a transition without an action, as in inference, and
    any while gradients are off, as for a held-out loss.

    Its random numbers are its own and saved with it.
    """

    augmentation: Augmentation | dict[str, Any] = field(default_factory=NoAugmentation)
    stream: Tensor = field(default_factory=new_stream, init=False, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.augmentation, dict):  # as saved
            self.augmentation = draccus.decode(Augmentation, self.augmentation)

    def __call__(self, transition: EnvTransition) -> EnvTransition:
        observation, action = transition.get(TransitionKey.OBSERVATION), transition.get(TransitionKey.ACTION)
        if observation is None or action is None or not torch.is_grad_enabled():
            return transition
        with drawing_from(self.stream, action.device):
            augmented = self.augmentation.apply({**observation, "action": action})  # type: ignore[union-attr]
        changed = transition.copy()
        changed[TransitionKey.ACTION] = augmented.pop("action")
        changed[TransitionKey.OBSERVATION] = augmented
        return changed

    def get_config(self) -> dict[str, Any]:
        return {"augmentation": draccus.encode(self.augmentation, Augmentation)}

    def state_dict(self) -> dict[str, Tensor]:
        return {"stream": self.stream.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.stream = state["stream"].clone()

    def transform_features(
        self, features: dict[PipelineFeatureType, dict[str, PolicyFeature]]
    ) -> dict[PipelineFeatureType, dict[str, PolicyFeature]]:
        return features


def make_pipelines(config: DpPlusConfig, dataset_stats: Mapping[str, Mapping[str, Any]] | None = None) -> Pipelines:
    """Rename, batch, device, (augment,) normalise; and unnormalise, back to the CPU.

    Raises:
        ValueError: statistics are missing or not finite, naming feature and statistic.
    """
    stats = None
    if dataset_stats is not None:
        stats = training_statistics(config, dataset_stats)
    steps = make_default_policy_processor_steps(config, stats)
    inputs: list[ProcessorStep] = [steps.rename_observations, steps.add_batch_dim, steps.to_device]
    if not isinstance(config.augmentation, NoAugmentation):
        inputs.append(AugmentationProcessorStep(config.augmentation))
    return make_policy_processor_pipelines(
        input_steps=[*inputs, steps.normalize], output_steps=[steps.unnormalize, steps.to_cpu]
    )


def training_statistics(
    config: DpPlusConfig, dataset_stats: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Usable statistics of the dataset as the policy's augmentation leaves it; doing it twice changes nothing."""
    return config.augmentation.widen(usable_statistics(config, dataset_stats))


def usable_statistics(
    config: DpPlusConfig, dataset_stats: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Statistics with which every value stays finite and of the order of one.

    A state that never moved in the data has min = max; LeRobot divides by 1e-8 there, so that a first deviation at
    inference becomes 1e8. Its range is widened by one unit either way. Constant actions keep theirs: LeRobot then
    returns exactly the constant.
    """
    usable = {key: dict(values) for key, values in dataset_stats.items()}
    for key, feature in {**(config.input_features or {}), **(config.output_features or {})}.items():
        mode = config.normalization_mapping.get(feature.type.value, NormalizationMode.IDENTITY)
        for statistic in NEEDED.get(mode, ()):
            if statistic not in usable.get(key, {}):
                raise ValueError(
                    f"dataset statistics: {key} has no {statistic!r}, which {mode.value} needs; it has "
                    f"{sorted(usable.get(key, {}))}. Recompute the dataset's statistics or set normalization_mapping"
                )
            if not np.isfinite(_array(usable[key][statistic])).all():
                raise ValueError(f"dataset statistics: {statistic} of {key} is not finite: {usable[key][statistic]}")
        if feature.type is FeatureType.ACTION or mode not in NEEDED:
            continue
        low, high = NEEDED[mode]
        if mode is NormalizationMode.MEAN_STD:
            spread = _array(usable[key]["std"])
            usable[key]["std"] = np.where(spread == 0, 1.0, spread).astype(spread.dtype)
        else:
            least, most = _array(usable[key][low]), _array(usable[key][high])
            constant = least == most
            usable[key][low] = np.where(constant, least - 1, least).astype(least.dtype)
            usable[key][high] = np.where(constant, most + 1, most).astype(most.dtype)
    return usable


def normalisation(
    config: DpPlusConfig, dataset_stats: Mapping[str, Mapping[str, Any]]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(offset, scale) of every state and action, value = offset + scale · normalised, as `make_pipelines` has them."""
    stats = training_statistics(config, dataset_stats)
    found = {}
    for key, feature in {**(config.input_features or {}), **(config.output_features or {})}.items():
        mode = config.normalization_mapping.get(feature.type.value, NormalizationMode.IDENTITY)
        if mode not in NEEDED:
            found[key] = (np.zeros(feature.shape, np.float32), np.ones(feature.shape, np.float32))
            continue
        first, second = (_array(stats[key][statistic]) for statistic in NEEDED[mode])
        # MEAN_STD has centre and spread; the others the values that become −1 and 1.
        found[key] = (
            (first, second) if mode is NormalizationMode.MEAN_STD else ((first + second) / 2, (second - first) / 2)
        )
    return found


def _array(value: Any) -> np.ndarray:
    array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    return array if np.issubdtype(array.dtype, np.floating) else array.astype(np.float32)


# LeRobot looks for one function per type.
make_dp_plus_unet_pre_post_processors = make_pipelines
make_dp_plus_transformer_pre_post_processors = make_pipelines
make_dp_plus_flow_pre_post_processors = make_pipelines
make_dp_plus_dit_pre_post_processors = make_pipelines
