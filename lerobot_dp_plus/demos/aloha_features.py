"""ALOHA demonstrations as LeRobot sees them: feature table, and the columns of one episode."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lerobot_dp_plus.demos.features import OUTCOME, number_feature, outcome_columns, picture_feature
from lerobot_dp_plus.environments.aloha_physics import OBJECT_NAMES

ROBOT_TYPE = "aloha"
IMAGE_KEY = "observation.images.top"
JOINT_NAMES = [
    f"{side}_{joint}"
    for side in ("left", "right")
    for joint in ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate", "gripper")
]
_POSE = ("x", "y", "z", "qw", "qx", "qy", "qz")


def aloha_features(task: str, environment_state: bool, picture: tuple[int, int] | None) -> dict[str, dict[str, Any]]:
    """LeRobot's feature table of a task's demonstrations.

    Joints are radians, grippers 0 closed to 1 open; poses are metres and a unit quaternion.

    Args:
        task: `transfer_cube` or `insertion`.
        environment_state: also describe the objects' poses.
        picture: (height, width) of the top camera's video, or None for none.
    """
    features = {"observation.state": number_feature(JOINT_NAMES), "action": number_feature(JOINT_NAMES), **OUTCOME}
    if environment_state:
        names = [f"{thing}_{axis}" for thing in OBJECT_NAMES[task] for axis in _POSE]
        features["observation.environment_state"] = number_feature(names)
    if picture is not None:
        features[IMAGE_KEY] = picture_feature((*picture, 3), video=True) | {"names": ["height", "width", "channels"]}
    return features


def episode_columns(record: Mapping[str, np.ndarray], environment_state: bool) -> dict[str, np.ndarray]:
    """Columns of one episode in the layout of `aloha_features`.

    Args:
        record: `state`, `action`, `objects`, `reward` of T steps as `Episode` has them, and optionally `image`
            (T, H, W, 3) uint8 before each step.
        environment_state: whether the dataset has the objects' poses.
    """
    reward = np.asarray(record["reward"])
    columns = {
        "observation.state": np.asarray(record["state"], dtype=np.float32),
        "action": np.asarray(record["action"], dtype=np.float32),
        **outcome_columns(reward, reward == 4),
    }
    if environment_state:
        columns["observation.environment_state"] = np.asarray(record["objects"], dtype=np.float32)
    if "image" in record:
        columns[IMAGE_KEY] = np.asarray(record["image"], dtype=np.uint8)
    return columns
