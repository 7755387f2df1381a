"""LeRobot's features and columns of scenes in which a sentence says what to do with one of several things."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lerobot_dp_plus.demos.features import OUTCOME, number_feature, picture_feature
from lerobot_dp_plus.notation import GAZE

IMAGE = "observation.image"


def scene_features(
    state: Sequence[str], things: Sequence[str], action: Sequence[str], picture: int | None
) -> dict[str, dict[str, Any]]:
    """LeRobot's feature table: names of the numbers, and the side of the square picture if there is one.

    The gaze is a square around the target, as shares of the picture.
    """
    pictures = {} if picture is None else {IMAGE: picture_feature((picture, picture, 3), video=False)}
    return {
        "observation.state": number_feature(state),
        "observation.environment_state": number_feature(things),
        GAZE: number_feature(("x", "y", "half_side")),
        "action": number_feature(action),
        **OUTCOME,
        **pictures,
    }


def scene_columns(record: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Columns of one episode, without those of `OUTCOME`, and its `task`."""
    names = {"state": "observation.state", "objects": "observation.environment_state", "gaze": GAZE, "action": "action"}
    columns: dict[str, Any] = {key: record[name].astype(np.float32) for name, key in names.items()}
    pictures = {IMAGE: record["image"]} if "image" in record else {}
    return columns | pictures | {"task": str(record["task"])}
