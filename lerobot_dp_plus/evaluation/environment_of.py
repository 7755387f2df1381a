"""Which environment a checkpoint is evaluated in, and what that environment must be like; reads files only."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from lerobot_dp_plus.evaluation.embodiment_of import FLAG, as_served, robot_in
from lerobot_dp_plus.evaluation.obs_type import obs_type, policy_sees_pictures
from lerobot_dp_plus.hub.files import read_json

#: What an action's dimensions tell where a training names no environment.
BY_ACTION = {2: "pusht", 4: "metaworld", 14: "aloha"}
#: The pictures of LeRobot's environments; others are of our fast ones.
STOCK_PICTURE = {"aloha": (480, 640), "metaworld": (480, 480)}
#: What of the environment of a training stays as it was.
KEPT = ("task", "observation_height", "observation_width", "observation_size", "camera", "look")


def environment_arguments(folder: Path, given: Sequence[str] = ()) -> list[str]:
    """LeRobot's `--env.…` for the policy in `folder`, as far as `given` does not say it.

    The environment is the one its training evaluated in, else one whose actions have as many dimensions.

    Raises:
        ValueError: neither tells; naming what was found and the way out.
    """
    config = read_json(folder / "config.json")
    trained = read_json(folder / "train_config.json").get("env")
    trained = trained if isinstance(trained, dict) else {}
    said = _said(given)
    named = [each.removeprefix(FLAG) for each in given if each.startswith(FLAG)]
    config = as_served(config, robot_in(config, said.get("type"), named[-1] if named else None))
    env = said.get("type") or trained.get("type") or _by_features(config, folder)
    pictures = policy_sees_pictures(config.get("input_features"))
    found: dict[str, Any] = {"type": env, "obs_type": obs_type(env, bool(pictures))}
    if env == trained.get("type") and env != "pusht":  # whose sizes LeRobot states and does not render
        found |= {name: trained.get(name) for name in KEPT}
    picture = _picture(config)
    if env == "aloha_lite" and picture is not None:
        found |= {"observation_height": picture[0], "observation_width": picture[1]}
    return [f"--env.{name}={value}" for name, value in found.items() if value is not None and name not in said]


def with_robot(folder: Path, arguments: Sequence[str], env: str | None = None) -> list[str]:
    """LeRobot's arguments, and which robot of several is meant in the environment, where they do not say it and it can be told."""
    config = read_json(folder / "config.json")
    if any(each.partition("=")[0] == FLAG[:-1] for each in arguments):
        return list(arguments)
    robot = robot_in(config, env or _said(arguments).get("type"))
    return [*arguments, f"{FLAG}{robot}"] if robot is not None else list(arguments)


def environment_of(arguments: Sequence[str]) -> str:
    """The `env.type` that arguments name."""
    return _said(arguments)["type"]


def _said(arguments: Sequence[str]) -> dict[str, str]:
    """What `--env.NAME=VALUE` or `--env.NAME VALUE` say, the last ones; `--env=TYPE` is its type."""
    said = {}
    for argument, following in pairwise([*arguments, ""]):
        name, equals, value = argument.partition("=")
        if name == "--env" or name.startswith("--env."):
            said[name.removeprefix("--env").lstrip(".") or "type"] = value if equals else following
    return said


def _by_features(config: Mapping[str, Any], folder: Path) -> str:
    action = (config.get("output_features") or {}).get("action") or {}
    size = (action.get("shape") or [None])[0]
    if size not in BY_ACTION:
        raise ValueError(
            f"env.type: the training of {folder} names no environment, and its actions of {size} dimensions fit none of "
            f"{', '.join(BY_ACTION.values())}; name one with env=TYPE"
        )
    env = BY_ACTION[size]
    return f"{env}_lite" if env in STOCK_PICTURE and _picture(config) != STOCK_PICTURE[env] else env


def _picture(config: Mapping[str, Any]) -> tuple[int, int] | None:
    """(H, W) of the first camera's picture."""
    for each in (config.get("input_features") or {}).values():
        if isinstance(each, Mapping) and each.get("type") == "VISUAL":
            return tuple(each["shape"][1:])  # type: ignore[return-value]
    return None
