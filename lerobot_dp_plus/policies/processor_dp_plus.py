"""LeRobot's processing pipelines, with its step names, for every policy type."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import draccus
import torch
from lerobot.configs import PipelineFeatureType, PolicyFeature
from lerobot.configs.types import FeatureType
from lerobot.lerobot_types import EnvTransition, TransitionKey
from lerobot.processor import (
    AbsoluteActionsProcessorStep,
    PolicyAction,
    PolicyProcessorPipeline,
    ProcessorStep,
    ProcessorStepRegistry,
)
from lerobot.processor.factory import make_default_policy_processor_steps, make_policy_processor_pipelines
from lerobot.utils.constants import ACTION
from torch import Tensor

from lerobot_dp_plus.augmentation import Augmentation, NoAugmentation
from lerobot_dp_plus.policies import relative
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.numbers import to_floats, with_batch_axis
from lerobot_dp_plus.policies.pictures import PicturesProcessorStep
from lerobot_dp_plus.policies.randomness import drawing_from, new_stream
from lerobot_dp_plus.policies.robots_data import learned_normalisation, statistics_of
from lerobot_dp_plus.policies.robots_step import RobotsProcessorStep
from lerobot_dp_plus.policies.statistics import (
    NEEDED,
    all_features,
    normalisation,
    training_statistics,
    usable_statistics,
)
from lerobot_dp_plus.policies.taking_turns import taking_turns
from lerobot_dp_plus.policies.words_step import WordsProcessorStep

__all__ = [
    "NEEDED",
    "learned_normalisation",
    "make_pipelines",
    "normalisation",
    "training_statistics",
    "usable_statistics",
]

Pipelines = tuple[
    PolicyProcessorPipeline[dict[str, Any], dict[str, Any]], PolicyProcessorPipeline[PolicyAction, PolicyAction]
]


@ProcessorStepRegistry.register("dp_plus_numbers_processor")
@dataclass
class NumbersProcessorStep(ProcessorStep):
    """Makes every feature a float32 tensor with a batch axis, before anything is normalised; `numbers.py` has the rules.

    Also on the way back, so that the unnormaliser's statistics keep their precision. Actions of whole numbers and booleans
    come out of a policy as real numbers in the dataset's units: round integers, and take a gripper for true above 0.5.
    """

    features: dict[str, PolicyFeature] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.features = {
            key: PolicyFeature(FeatureType(made["type"]), tuple(made["shape"])) if isinstance(made, dict) else made
            for key, made in self.features.items()
        }

    def __call__(self, transition: EnvTransition) -> EnvTransition:
        shapes = {key: tuple(feature.shape) for key, feature in self.features.items()}
        changed = transition.copy()
        observation, action = transition.get(TransitionKey.OBSERVATION), transition.get(TransitionKey.ACTION)
        if observation is not None:
            floats = to_floats(observation, shapes).items()
            changed[TransitionKey.OBSERVATION] = {
                key: with_batch_axis(value, shapes[key]) if key in shapes else value for key, value in floats
            }
        if action is not None and ACTION in shapes:
            changed[TransitionKey.ACTION] = to_floats({ACTION: action}, shapes)[ACTION]
        return changed

    def get_config(self) -> dict[str, Any]:
        features = self.features.items()
        return {"features": {key: {"type": ft.type.value, "shape": list(ft.shape)} for key, ft in features}}

    def transform_features(
        self, features: dict[PipelineFeatureType, dict[str, PolicyFeature]]
    ) -> dict[PipelineFeatureType, dict[str, PolicyFeature]]:
        return features


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
    """Rename, (shrink pictures,) numbers, batch, (words,) device, (augment, relative, robots,) normalise; and numbers, unnormalise,
    (absolute,) back to the CPU.

    Numbers come before LeRobot's batch axis: it would take the (B,) of a feature of shape (1,) for one frame, and lets arrays
    of numpy and other features than its own pass.

    Raises:
        ValueError: statistics are missing or not finite, naming feature and statistic.
    """
    stats, several = None, bool(config.robots) and config.embodiment is None
    if dataset_stats is not None and not several:
        stats = training_statistics(config, dataset_stats)
    steps = make_default_policy_processor_steps(config, stats)
    numbers = NumbersProcessorStep(all_features(config))
    words = [WordsProcessorStep.of(config)] if config.words.reads else []
    pictures = PicturesProcessorStep.of(config)
    inputs: list[ProcessorStep] = [
        steps.rename_observations,
        *([pictures] if pictures.sizes else []),
        *(numbers, steps.add_batch_dim),
        *words,
        steps.to_device,
    ]
    if not isinstance(config.augmentation, NoAugmentation):
        inputs.append(AugmentationProcessorStep(config.augmentation))
    outputs: list[ProcessorStep] = [NumbersProcessorStep(dict(config.output_features or {})), steps.unnormalize]
    if config.use_relative_actions:
        inputs.append(step := relative.step_of(config))
        outputs.append(AbsoluteActionsProcessorStep(enabled=True, relative_step=step))
    if config.robots:  # before LeRobot's own, which has nothing left to do unless one robot is served
        inputs.append(RobotsProcessorStep.of(config, statistics_of(config)))
        outputs.append(RobotsProcessorStep(serves=config.embodiment))
    made = make_policy_processor_pipelines(
        input_steps=[*inputs, steps.normalize], output_steps=[*outputs, steps.to_cpu]
    )
    return taking_turns(made[0]), taking_turns(made[1])


# LeRobot looks for one function per type.
make_dp_plus_unet_pre_post_processors = make_pipelines
make_dp_plus_transformer_pre_post_processors = make_pipelines
make_dp_plus_flow_pre_post_processors = make_pipelines
make_dp_plus_dit_pre_post_processors = make_pipelines
make_dp_plus_pi0_pre_post_processors = make_pipelines
