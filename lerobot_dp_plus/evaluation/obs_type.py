"""What an environment must show a policy: `env.obs_type`, from the features it was trained on. Reads dicts only."""

from collections.abc import Mapping
from typing import Any

PIXELS, KEYPOINTS = "pixels_agent_pos", "environment_state_agent_pos"
#: Environments whose `obs_type` is known: what each shows a policy with pictures, and one without.
ENVIRONMENTS = {
    "pusht": (PIXELS, KEYPOINTS),
    "aloha": (PIXELS, PIXELS),
    "aloha_lite": (PIXELS, KEYPOINTS),
    "blocks": (PIXELS, KEYPOINTS),
    "three_pucks": (PIXELS, KEYPOINTS),
    "metaworld_lite": (PIXELS, KEYPOINTS),
}


def obs_type(env: str, pictures: bool) -> str | None:
    """`env.obs_type` for a policy that is fed pictures, or is not; None for an environment that is not in the table."""
    return ENVIRONMENTS[env][0 if pictures else 1] if env in ENVIRONMENTS else None


def policy_sees_pictures(input_features: Mapping[str, Any] | None) -> bool | None:
    """Whether a policy's `input_features`, as its config.json has them, hold a picture; None where none are stated.

    States beside pictures change nothing: a state that the environment does not show beside pictures is read off them.
    """
    if not input_features:
        return None
    return any(isinstance(each, Mapping) and each.get("type") == "VISUAL" for each in input_features.values())


def dataset_has_pictures(info: Mapping[str, Any]) -> bool:
    """Whether a dataset's `meta/info.json` lists a camera."""
    return any(each.get("dtype") in ("image", "video") for each in info.get("features", {}).values())
