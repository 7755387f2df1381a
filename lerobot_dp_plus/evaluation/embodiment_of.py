"""Which robot of several a checkpoint serves in an environment; reads dicts only, before anything is made."""

from collections.abc import Mapping
from typing import Any

#: How many numbers an action has, of the environments we know.
WIDTHS = {
    **{"pusht": 2, "blocks": 3, "three_pucks": 4, "metaworld": 4, "metaworld_lite": 4},
    **{"aloha": 14, "aloha_lite": 14},
}
FLAG = "--policy.embodiment="


def robot_in(config: Mapping[str, Any], env: str | None, said: str | None = None) -> str | None:
    """The robot that is meant, by a policy's config.json: what was `said`, else the only one whose action the environment has.

    None where a policy is of one robot, or nothing tells; whoever makes the policy then asks for it.
    """
    robots = config.get("robots") or {}
    if said is not None or not robots:
        return said
    if config.get("embodiment") is not None:
        return str(config["embodiment"])
    fitting = [name for name, each in robots.items() if list(each["action"]["shape"]) == [WIDTHS.get(str(env))]]
    return fitting[0] if len(fitting) == 1 else None


def as_served(config: Mapping[str, Any], robot: str | None) -> dict[str, Any]:
    """A config.json as it is of a policy of this robot alone."""
    features = (config.get("robots") or {}).get(robot)
    if features is None:
        return dict(config)
    inputs = {key: feature for key, feature in features.items() if key != "action"}
    return {**config, "input_features": inputs, "output_features": {"action": features["action"]}}
