"""Normalisation by robot, in LeRobot's pipelines."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from lerobot.configs import NormalizationMode, PipelineFeatureType, PolicyFeature
from lerobot.configs.types import FeatureType
from lerobot.lerobot_types import EnvTransition, TransitionKey
from lerobot.processor import (
    NormalizerProcessorStep,
    ProcessorStep,
    ProcessorStepRegistry,
    UnnormalizerProcessorStep,
)
from lerobot.utils.constants import ACTION
from torch import Tensor

from lerobot_dp_plus.notation import EMBODIMENT
from lerobot_dp_plus.policies import embodiments

if TYPE_CHECKING:
    from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
    from lerobot_dp_plus.policies.statistics import Statistics


@ProcessorStepRegistry.register("dp_plus_robots_processor")
@dataclass
class RobotsProcessorStep(ProcessorStep):
    """Normalises every sample by the statistics of its own robot, with LeRobot's normaliser of that robot.

    What a robot does not have stays zero. Where one robot is served the pipeline is its own, with LeRobot's normaliser in the
    usual place, and this step only keeps what belongs to the others.

    Args:
        robots: what each robot has, by name; its numbers in `EMBODIMENT` are in this order.
        norm_map: how a kind of feature is normalised.
        serves: the robot that is served; None in training on all.
    """

    robots: dict[str, dict[str, Any]] = field(default_factory=dict)
    norm_map: dict[str, Any] = field(default_factory=dict)
    serves: str | None = None
    normalisers: dict[str, NormalizerProcessorStep] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self.tell({})

    def tell(self, statistics: "Mapping[str, Statistics]") -> None:
        """Take the usable statistics of robots."""
        for name, features in self.robots.items():
            made = {
                key: PolicyFeature(FeatureType(each["type"]), tuple(each["shape"])) if isinstance(each, dict) else each
                for key, each in features.items()
            }
            norm_map = {FeatureType(kind): NormalizationMode(mode) for kind, mode in self.norm_map.items()}
            self.normalisers[name] = NormalizerProcessorStep(made, norm_map, statistics.get(name))

    @classmethod
    def of(cls, config: "DpPlusConfig", statistics: "Mapping[str, Statistics]") -> "RobotsProcessorStep":
        """The step of a config that serves all of its robots."""
        kinds = {kind: mode.value for kind, mode in config.normalization_mapping.items()}
        step = cls({name: dict(features) for name, features in config.robots.items()}, kinds)
        step.tell(statistics)
        return step

    def __call__(self, transition: EnvTransition) -> EnvTransition:
        if self.serves is not None:
            return transition
        observation, action = transition.get(TransitionKey.OBSERVATION), transition.get(TransitionKey.ACTION)
        if observation is None or EMBODIMENT not in observation:
            raise ValueError(
                f"this pipeline is of several robots, {', '.join(self.robots)}, and nothing says which is meant; name it when "
                "the policy is loaded, as load_policy(…, embodiment=…), and take the pipelines that come with it"
            )
        given = {**observation, **({} if action is None else {ACTION: action})}
        found = self._normalised(given, observation[EMBODIMENT])
        changed = transition.copy()
        if action is not None:
            changed[TransitionKey.ACTION] = found.pop(ACTION)
        changed[TransitionKey.OBSERVATION] = {**observation, **found}
        return changed

    def _normalised(self, given: Mapping[str, Tensor], index: Tensor) -> dict[str, Tensor]:
        """The features of all robots, each sample normalised as its robot's are."""
        keys = [key for key in given if any(key in features for features in self.robots.values())]
        found = {key: torch.zeros_like(given[key]) for key in keys}
        for number, normaliser in enumerate(self.normalisers.values()):
            rows = (index == number).nonzero()[:, 0]
            if not len(rows):
                continue
            own = {key: feature for key, feature in normaliser.features.items() if key in given}
            cut = {key: given[key][rows] for key in own}
            cut = {
                key: value[..., : own[key].shape[0]] if len(own[key].shape) == 1 else value
                for key, value in cut.items()
            }
            action = cut.pop(ACTION, None)
            done: Any = normaliser({TransitionKey.OBSERVATION: cut, TransitionKey.ACTION: action})  # type: ignore[typeddict-item, misc]
            values = {
                **done[TransitionKey.OBSERVATION],
                **({} if action is None else {ACTION: done[TransitionKey.ACTION]}),
            }
            for key, value in values.items():
                if len(own[key].shape) == 1:
                    value = torch.nn.functional.pad(value, (0, found[key].shape[-1] - value.shape[-1]))
                found[key][rows] = value
        return found

    def get_config(self) -> dict[str, Any]:
        robots = {
            name: {key: {"type": each.type.value, "shape": list(each.shape)} for key, each in made.features.items()}
            for name, made in self.normalisers.items()
        }
        return {"robots": robots, "norm_map": dict(self.norm_map), "serves": self.serves}

    def state_dict(self) -> dict[str, Tensor]:
        made = self.normalisers.items()
        return {f"{name}: {key}": value for name, each in made for key, value in each.state_dict().items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        for name, normaliser in self.normalisers.items():
            own = f"{name}: "
            normaliser.load_state_dict(
                {key.removeprefix(own): value for key, value in state.items() if key.startswith(own)}
            )

    def transform_features(
        self, features: dict[PipelineFeatureType, dict[str, PolicyFeature]]
    ) -> dict[PipelineFeatureType, dict[str, PolicyFeature]]:
        return features


def told(config: "DpPlusConfig", preprocess: Any, postprocess: Any, statistics: Any = None) -> None:
    """Make two pipelines of several robots those of the robot that a config serves; or of all, if it serves none.

    `statistics` are usable ones of a dataset that the policy is about to be trained on; None for the robot's own.
    """
    step = next(each for each in preprocess.steps if isinstance(each, RobotsProcessorStep))
    for each in (*preprocess.steps, *postprocess.steps):
        if isinstance(each, RobotsProcessorStep):
            each.serves = config.embodiment
    if config.embodiment is None:
        inputs: dict[str, PolicyFeature] = {}
        outputs, stats = inputs, None
        whole = embodiments.whole(config)
    else:
        whole, own = config, step.normalisers[config.embodiment]
        inputs = {**(config.input_features or {}), **(config.output_features or {})}
        outputs, stats = dict(config.output_features or {}), statistics or own.stats
    preprocess.steps = [_of(each, whole, inputs, stats) for each in preprocess.steps]
    postprocess.steps = [_of(each, whole, outputs, stats) for each in postprocess.steps]


def _of(step: Any, config: "DpPlusConfig", features: dict[str, PolicyFeature], stats: Any) -> Any:
    """A step of a pipeline, for these features."""
    from lerobot_dp_plus.policies.pictures import PicturesProcessorStep
    from lerobot_dp_plus.policies.processor_dp_plus import NumbersProcessorStep

    if isinstance(step, NormalizerProcessorStep | UnnormalizerProcessorStep):
        return type(step)(features, step.norm_map, stats, device=step.device)
    if isinstance(step, NumbersProcessorStep):
        is_output = not any(key != ACTION for key in step.features)
        return NumbersProcessorStep(
            dict(config.output_features or {})
            if is_output
            else {**(config.input_features or {}), **(config.output_features or {})}
        )
    return PicturesProcessorStep.of(config) if isinstance(step, PicturesProcessorStep) else step


def made_processors(stock: Any, policy_cfg: Any, **others: Any) -> Any:
    """`make_pre_post_processors`: those of a policy of several robots are told which of them is served."""
    made = stock(policy_cfg, **others)
    if getattr(policy_cfg, "robots", None):
        given = (others.get("preprocessor_overrides") or {}).get("normalizer_processor", {}).get("stats")
        before, after = made
        told(policy_cfg, before, after, given if policy_cfg.embodiment is not None else None)
    return made
