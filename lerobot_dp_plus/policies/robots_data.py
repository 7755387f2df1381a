"""What a policy takes from the datasets of several robots when it is made to be trained on them."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lerobot.configs.types import PolicyFeature
from lerobot.utils.feature_utils import dataset_to_policy_features

from lerobot_dp_plus.encoders import AutomaticWords, NoWords
from lerobot_dp_plus.notation import GAZE
from lerobot_dp_plus.policies import embodiments, fitting
from lerobot_dp_plus.policies.paraphrases import instructions_of, set_instructions
from lerobot_dp_plus.policies.readable import is_numeric
from lerobot_dp_plus.policies.statistics import Statistics, normalisation, training_statistics
from lerobot_dp_plus.units import of_robot

if TYPE_CHECKING:
    from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig

logger = logging.getLogger(__name__)

_NOTE = "_dp_plus_robot_statistics"


def note_robots(config: "DpPlusConfig", meta: Any) -> None:
    """Note what each robot has where a training is on the data of several, and a config does not know them yet.

    Raises:
        ValueError: the policy's weights are of one robot.
    """
    found = {name: features_of(part) for name, part in embodiments.parts_of(meta).items()}
    if not found or config.robots:
        return
    if config.pretrained_path is not None:
        raise ValueError(
            f"dataset.repo_id: the weights in {config.pretrained_path} are of one robot, and cannot be trained for {', '.join(found)}"
        )
    config.robots = found
    whole = embodiments.whole(config)
    config.input_features, config.output_features = whole.input_features, whole.output_features


def adopt_robots(config: "DpPlusConfig", meta: Any, adopt: Any) -> None:
    """Let `adopt(config of one robot, its metadata)` compare each dataset with its robot, and note the rest.

    Raises:
        ValueError: a robot that weights were not trained for, or that is wider than what they are padded to; or as `adopt`.
    """
    found = {name: features_of(part) for name, part in embodiments.parts_of(meta).items()}
    if config.embodiment is not None:
        raise ValueError(
            f"embodiment = {config.embodiment}: a training on {', '.join(found)} serves all of them; leave it out, or train on one"
        )
    refuse_others(config, found)
    whole = embodiments.whole(config)
    config.input_features, config.output_features = whole.input_features, whole.output_features
    fitting.check(config)
    config.validate_features()
    alone: dict[str, DpPlusConfig] = {}
    for name, part in embodiments.parts_of(meta).items():
        alone[name] = embodiments.served(config, name)
        adopt(alone[name], part)
    _settle_words(config, alone)
    config.fps = meta.fps
    config.follow(meta.fps)
    note_statistics(
        config,
        {name: training_statistics(each, embodiments.parts_of(meta)[name].stats) for name, each in alone.items()},
    )
    own = ", ".join(f"{name} ({each['action'].shape[0]})" for name, each in config.robots.items())
    logger.info("one policy of %d robots, with so many actions: %s", len(found), own)


def features_of(meta: Any) -> dict[str, PolicyFeature]:
    """What a robot observes and does, by its dataset: all that is neither text nor gaze."""
    numeric = {key: feature for key, feature in meta.features.items() if is_numeric(feature) and key != GAZE}
    return dict(sorted(dataset_to_policy_features(numeric).items()))


def refuse_others(config: "DpPlusConfig", found: Mapping[str, Mapping[str, PolicyFeature]]) -> None:
    """Refuse robots that a checkpoint does not know, those first that would not even fit."""
    room = embodiments.padded(config.robots)
    for name, features in found.items():
        for key, feature in features.items():
            if key not in room or any(own > most for own, most in zip(feature.shape, room[key].shape, strict=False)):
                has = f"{tuple(room[key].shape)}" if key in room else "no such feature"
                raise ValueError(
                    f"{name}: {key} is {tuple(feature.shape)}, wider than what the robots of this policy are padded to, which is "
                    f"{has}; train a new policy on all datasets"
                )
        if name not in config.robots or dict(features) != dict(config.robots[name]):
            raise ValueError(
                f"dataset.repo_id: {name} is none of the robots that the weights were trained for, which are "
                f"{', '.join(config.robots)}; give the dataset the name of its robot, as [{next(iter(config.robots))}=…], or train a "
                "new policy"
            )


def _settle_words(config: "DpPlusConfig", alone: Mapping[str, "DpPlusConfig"]) -> None:
    """Read instructions if one robot has several; and note all there are."""
    if isinstance(config.words, AutomaticWords):
        read = [each.words for each in alone.values() if not isinstance(each.words, NoWords)]
        config.words = read[0] if read else NoWords()
    told: dict[str, tuple[str, ...]] = {}
    for each in alone.values():
        told |= instructions_of(each)
    set_instructions(config, told)


def note_statistics(config: "DpPlusConfig", statistics: Mapping[str, Statistics]) -> None:
    """Leave with a config the usable statistics of every robot, for its processors; it is no field and is not saved."""
    setattr(config, _NOTE, dict(statistics))


def statistics_of(config: "DpPlusConfig") -> Mapping[str, Statistics]:
    """What `note_statistics` left; empty where no datasets were seen."""
    return getattr(config, _NOTE, {})


def learned_normalisation(config: "DpPlusConfig", meta: Any) -> dict[str, tuple[Any, Any]]:
    """(offset, scale) of every state and action of a training's data; of several robots under their names in `Units.of_robots`."""
    if not embodiments.parts_of(meta):
        return normalisation(config, meta.stats)
    return {
        of_robot(name, key): pair
        for name, stats in statistics_of(config).items()
        for key, pair in normalisation(embodiments.served(config, name), stats).items()
    }
