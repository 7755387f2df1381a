"""PushT as LeRobot sees it: feature table, task sentence, and the T's keypoints as gym_pusht orders them."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from lerobot_dp_plus.demos.features import OUTCOME, number_feature, outcome_columns, picture_feature

# The other files take gym_pusht's names from here, where pygame's warning about a package of its own is held back.
with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "pkg_resources is deprecated")
    from gym_pusht.envs.pusht import PushTEnv
    from gym_pusht.envs.pusht import pymunk_to_shapely as pymunk_to_shapely

TASK = "Push the T-shaped block onto the T-shaped target."
ROBOT_TYPE = "2d pointer"
FPS: int = PushTEnv.metadata["render_fps"]
SUCCESS_COVERAGE = 0.95  # gym_pusht's threshold: an episode succeeds when more than this share of the goal is covered
IMAGE_SHAPE = (96, 96, 3)  # (height, width, channel), the size gym_pusht renders for observations

#: The T's corners in its own frame in pixels, (8, 2): crossbar then stem, in the order of gym_pusht's observation.
CORNERS = np.array(
    [(-60, 0), (60, 0), (60, 30), (-60, 30), (-15, 30), (15, 30), (15, 120), (-15, 120)], dtype=np.float64
)


def pusht_features(images: bool = False) -> dict[str, dict[str, Any]]:
    """LeRobot's feature table for PushT demonstrations.

    Positions are in pixels of the 512×512 arena. Images are stored as PNG, so they equal the rendered pixels.

    Args:
        images: also describe `observation.image`, (96, 96, 3) uint8.
    """
    axes = ["x", "y"]
    corners = [f"{axis}{index}" for index in range(len(CORNERS)) for axis in axes]
    features = {
        "observation.state": number_feature(axes),
        "observation.environment_state": number_feature(corners),
        "action": number_feature(axes),
        **OUTCOME,
    }
    if images:
        features["observation.image"] = picture_feature(IMAGE_SHAPE, video=False)
    return features


def keypoints(block_x: np.ndarray | float, block_y: np.ndarray | float, block_angle: np.ndarray | float) -> np.ndarray:
    """The T's eight corners in arena pixels, (..., 16) float64 as x0 y0 … x7 y7: gym_pusht's `environment_state`.

    Args:
        block_x, block_y: position of the T's frame origin (`env.block.position`) in pixels, any common shape (...).
        block_angle: `env.block.angle` in radians, same shape.
    """
    x, y, angle = (np.asarray(value, dtype=np.float64)[..., None] for value in (block_x, block_y, block_angle))
    cos, sin = np.cos(angle), np.sin(angle)
    corners_x, corners_y = CORNERS.T
    points = np.stack([corners_x * cos - corners_y * sin + x, corners_x * sin + corners_y * cos + y], axis=-1)
    return points.reshape(*points.shape[:-2], 2 * len(CORNERS))


def episode_columns(record: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Columns of one episode in the layout of `pusht_features`, from what a roll-out records.

    Args:
        record: T steps of `agent` (T, 2) and `block` (T, 3: x, y, angle) before each step, `action` (T, 2) targets,
            `coverage` (T,) after each step, and optionally `image` (T, 96, 96, 3) uint8 before each step.
    """
    coverage = np.asarray(record["coverage"], dtype=np.float64)
    columns = {
        "observation.state": np.asarray(record["agent"], dtype=np.float32),
        "observation.environment_state": keypoints(*np.asarray(record["block"]).T).astype(np.float32),
        "action": np.asarray(record["action"], dtype=np.float32),
        **outcome_columns(np.clip(coverage / SUCCESS_COVERAGE, 0, 1), coverage > SUCCESS_COVERAGE),
    }
    if "image" in record:
        columns["observation.image"] = np.asarray(record["image"], dtype=np.uint8)
    return columns
