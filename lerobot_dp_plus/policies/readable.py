"""Which features a policy can read, and the flag that names those of a dataset."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from lerobot.configs.types import FeatureType, PolicyFeature

PICTURES = ("image", "video")
STATES = (FeatureType.STATE, FeatureType.ENV)


def is_numeric(feature: Mapping[str, Any]) -> bool:
    """Whether a feature of a dataset's table holds numbers or pictures; text and other columns do not."""
    dtype = str(feature.get("dtype"))
    if dtype in PICTURES:
        return True
    try:
        return np.dtype(dtype).kind in "biuf"
    except TypeError:
        return False


def dimension_names(feature: Mapping[str, Any]) -> tuple[str, ...]:
    """What the dimensions of a dataset's feature are called, by their numbers if they have no names.

    LeRobot's datasets have lists of names, and mappings of one list.
    """
    names: Any = feature.get("names")
    if isinstance(names, Mapping):
        names = next((value for value in names.values() if isinstance(value, list | tuple)), list(names))
    width = feature["shape"][0]
    return tuple(map(str, names)) if names is not None and len(names) == width else tuple(map(str, range(width)))


def refuse_unreadable(features: Mapping[str, PolicyFeature]) -> None:
    """Refuse sensors of several axes and cameras of other than three channels, with the flag that leaves them out.

    Raises:
        ValueError: naming the feature, its shape and the way out.
    """
    good = {key: feature for key, feature in features.items() if _fault(feature) is None}
    for key, feature in features.items():
        fault = _fault(feature)
        if fault is not None:
            raise ValueError(
                f"input_features: {key} has shape {tuple(feature.shape)}; {fault}. {_way_out(key, feature, good)}"
            )


def input_features_flag(features: Mapping[str, PolicyFeature]) -> str:
    """`--policy.input_features=…`, quoted for a shell, of these features."""
    table = {key: {"type": feature.type.value, "shape": list(feature.shape)} for key, feature in features.items()}
    return f"'--policy.input_features={json.dumps(table)}'"


def _fault(feature: PolicyFeature) -> str | None:
    shape = tuple(feature.shape)
    if feature.type in STATES and (len(shape) != 1 or shape[0] < 1):
        return "a state must be (D,)"
    if feature.type is FeatureType.VISUAL and (len(shape) != 3 or shape[0] != 3):
        return "an image must be (3, H, W), channels first"
    return None


def _way_out(key: str, feature: PolicyFeature, good: Mapping[str, PolicyFeature]) -> str:
    shape = tuple(feature.shape)
    if feature.type is FeatureType.VISUAL:
        if len(shape) == 3 and shape[2] == 3:
            turned = {**good, key: PolicyFeature(feature.type, (3, *shape[:2]))}
            return f"It has its channels last: pass {input_features_flag(turned)}"
        kept = f"Store it with three equal channels to have it read{', or' if good else ''}"
    else:
        size = int(np.prod(shape)) if shape else 1
        kept = f"Store it flat, as ({size},), to have it read{', or' if good else ''}"
    return f"{kept} leave it out with {input_features_flag(good)}" if good else kept
