"""One policy of several robots: what each of them has, what all are padded to, and which of them is served.

`config.robots` is learned from the datasets of a training, and says what every robot has. Until a robot is chosen the
config's features are those that all robots are padded to. `serve` puts the features of one robot in their place. Then
whatever is around the network (windows, chunks, units, energies, processors) is that of a policy of this robot alone.
"""

import copy
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.utils.constants import ACTION

from lerobot_dp_plus import heads
from lerobot_dp_plus.augmentation import Augmentation, Symmetry
from lerobot_dp_plus.encoders import Robots, spans
from lerobot_dp_plus.notation import ROBOT, Span
from lerobot_dp_plus.objectives import Objective

if TYPE_CHECKING:
    from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig

logger = logging.getLogger(__name__)

_WHOLE = "_dp_plus_whole"


def parts_of(meta: Any) -> Mapping[str, Any]:
    """The metadata of each robot's data, where a training is on several; else empty."""
    return getattr(meta, "parts", {})


def start(config: "DpPlusConfig") -> None:
    """Serve the robot that a config names; called whenever a config is made.

    Raises:
        ValueError: there is no such robot, or only one.
    """
    if config.embodiment is not None:
        serve(config, config.embodiment)
    elif config.robots:
        # Whoever makes a policy for an environment puts its action in the place of this one.
        setattr(config, _WHOLE, config.output_features)


def serve(config: "DpPlusConfig", name: str) -> None:
    """From now on the config is that of a policy of robot `name`.

    Raises:
        ValueError: there is no such robot, or only one.
    """
    if not config.robots:
        raise ValueError(
            f"embodiment = {name!r}: this policy is of one robot; legal is null. A training on several datasets, "
            "--dataset.repo_id=[A,B], makes one of several, and names them after their datasets"
        )
    if name not in config.robots:
        raise ValueError(f"embodiment = {name!r}: legal are {', '.join(config.robots)}")
    config.embodiment, features = name, config.robots[name]
    config.input_features = {key: feature for key, feature in features.items() if key != ACTION}
    config.output_features = {ACTION: features[ACTION]}


def padded(robots: Mapping[str, Mapping[str, PolicyFeature]]) -> dict[str, PolicyFeature]:
    """The features that all robots are padded to: the union of theirs, each as wide as the widest."""
    found: dict[str, PolicyFeature] = {}
    for features in robots.values():
        for key, feature in features.items():
            widest = max(tuple(feature.shape), tuple(found[key].shape) if key in found else ())
            found[key] = PolicyFeature(feature.type, widest)
    return found


def whole(config: "DpPlusConfig") -> "DpPlusConfig":
    """The config as the network knows it: with the features that all robots are padded to."""
    if not config.robots:
        return config
    found, features = copy.copy(config), padded(config.robots)
    found.embodiment = None
    found.input_features = {key: feature for key, feature in features.items() if key != ACTION}
    found.output_features = {ACTION: features[ACTION]}
    return found


def robots_of(config: "DpPlusConfig") -> Robots | None:
    """What the encoder must know of the robots; None if there is one."""
    if not config.robots:
        return None
    alone = {name: served(config, name) for name in config.robots}
    shapes = {name: {**each.training_features} for name, each in alone.items()}
    return Robots(shapes, config.embodiment, ROBOT in config.network.reads)


def spans_of(config: "DpPlusConfig") -> dict[str, Span]:
    """The tokens of every kind that a policy of a config reads."""
    known = whole(config)
    states, cameras = known.low_dimensional_features, known.network_cameras
    around = known.n_obs_steps, known.words, known.things, robots_of(config)
    return spans(states, cameras, known.image_encoder, *around)


def served(config: "DpPlusConfig", name: str) -> "DpPlusConfig":
    """A copy of the config that is of a policy of robot `name`."""
    alone = copy.copy(config)
    serve(alone, name)
    return alone


def fitting_robots(config: "DpPlusConfig", offered: Mapping[str, tuple[int, ...]]) -> list[str]:
    """The robots whose states and action have these shapes and whose cameras are among these; sizes of pictures may differ."""

    def fits(features: Mapping[str, PolicyFeature]) -> bool:
        return all(
            key in offered and (feature.type is FeatureType.VISUAL or offered[key] == tuple(feature.shape))
            for key, feature in features.items()
        )

    return [name for name, features in config.robots.items() if fits(features)]


def settle(config: "DpPlusConfig", trained_on_several: bool = False) -> None:
    """Find out which robot a checkpoint's policy serves, if nobody has said it: the only one whose action fits.

    Raises:
        ValueError: none or several fit, or the robot that was named has another action.
    """
    if not config.robots or (trained_on_several and config.embodiment is None):
        return
    action = config.action_feature
    shape = None if action is None else tuple(action.shape)
    if config.embodiment is not None:
        own = tuple(config.robots[config.embodiment][ACTION].shape)
        if shape != own:
            raise ValueError(f"action has shape {shape} here, and embodiment = {config.embodiment} gives {own}")
        return
    told = config.output_features is not getattr(config, _WHOLE, None)
    names = [name for name, each in config.robots.items() if told and tuple(each[ACTION].shape) == shape]
    choose(config, names, f"an action of shape {shape}" if told else "no environment")


def choose(config: "DpPlusConfig", names: list[str], what: str) -> None:
    """Serve the only one of `names`.

    Raises:
        ValueError: there is none, or several; `what` says what tells them apart.
    """
    if len(names) != 1:
        widths = ", ".join(f"{name} with {each[ACTION].shape[0]} actions" for name, each in config.robots.items())
        raise ValueError(
            f"embodiment = null: {what} does not tell which robot this policy serves ({widths}); name one, as "
            f"--policy.embodiment={next(iter(config.robots))}, or load_policy(…, embodiment=…)"
        )
    serve(config, names[0])
    logger.info("the policy serves %s, the only one of its robots that fits", names[0])


def check(config: "DpPlusConfig") -> None:
    """Raise a ValueError, naming the field and what is legal, if one is set that several robots cannot share."""
    if not config.robots:
        return
    head = heads.head_of(config.objective)
    if not issubclass(head, heads.ElementwiseHead):
        names = Objective.get_known_choices()
        legal = [name for name, kind in names.items() if issubclass(heads.HEADS[kind.head], heads.ElementwiseHead)]
        raise ValueError(
            f"objective.type = {config.objective.get_choice_name(type(config.objective))}: it judges actions of a step together, "
            f"and robots have different ones; legal with several robots are {legal}"
        )
    if isinstance(config.augmentation, Symmetry):
        raise ValueError(
            f"augmentation.type = {Augmentation.get_choice_name(type(config.augmentation))}: it is the mirror of one robot's world; "
            "legal with several robots are none and color_jitter"
        )
    for name in ("dynamics", "state_estimation", "auxiliary"):
        part: Any = getattr(config, name)
        kind = part.get_choice_name(type(part))
        if kind != "none":
            raise ValueError(f"{name}.type = {kind}: it is learned of one robot; legal with several robots is none")
    if config.use_relative_actions:
        raise ValueError("use_relative_actions = true: legal with several robots is false")
