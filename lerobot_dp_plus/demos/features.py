"""LeRobot's feature tables, as every maker of demonstrations fills them in. Imports nothing of LeRobot, for the workers."""

from collections.abc import Sequence
from typing import Any

import numpy as np

#: What every step of a simulator is followed by.
OUTCOME: dict[str, dict[str, Any]] = {
    "next.reward": {"dtype": "float32", "shape": (1,), "names": None},
    "next.success": {"dtype": "bool", "shape": (1,), "names": None},
    "next.done": {"dtype": "bool", "shape": (1,), "names": None},
}


def number_feature(names: Sequence[str]) -> dict[str, Any]:
    """LeRobot's description of a vector with one name for each number."""
    return {"dtype": "float32", "shape": (len(names),), "names": list(names)}


def picture_feature(shape: tuple[int, int, int], video: bool) -> dict[str, Any]:
    """LeRobot's description of a camera, (height, width, 3), stored as video or as PNG."""
    return {"dtype": "video" if video else "image", "shape": shape, "names": ["height", "width", "channel"]}


def outcome_columns(reward: np.ndarray, success: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of `OUTCOME` for one episode, (T, 1) each, from `reward` and `success` (T,) after every step."""
    done = np.arange(len(reward)) == len(reward) - 1
    return {
        "next.reward": reward.astype(np.float32)[:, None],
        "next.success": success[:, None],
        "next.done": done[:, None],
    }
