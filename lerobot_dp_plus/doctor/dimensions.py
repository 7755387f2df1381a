"""What kind of thing a dimension is: does it move, does it only switch, is it a gripper?"""

import numpy as np

from lerobot_dp_plus.doctor.recording import Recording
from lerobot_dp_plus.policies.statistics import is_constant

GRIPPERS = ("grip", "finger", "jaw", "claw", "hand_open")
#: A value within this share of the range from an end is at that end.
NEAR = 0.01
#: An end is where values still are in this share of the frames.
RARELY = 0.005


def moves(values: np.ndarray) -> np.ndarray:
    """Which dimensions of (N, D) move, rounding aside, (D,)."""
    return ~is_constant(values.min(0), values.max(0)) if len(values) else np.zeros(values.shape[1], bool)


def at_ends(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether each value of (N, D) is at the lower and at the upper end of its dimension; never, if that does not move."""
    # Not the extremes: a single value far out would draw all others to the other end.
    low, high = np.quantile(values, [RARELY, 1 - RARELY], axis=0)
    room = NEAR * (high - low)
    moving = moves(values)
    return (values <= low + room) & moving, (values >= high - room) & moving


def is_switch(values: np.ndarray) -> np.ndarray:
    """Which dimensions of (N, D) are at one of their two ends nearly always, and at either now and then, (D,)."""
    lower, upper = at_ends(values)
    return ((lower | upper).mean(0) > 0.9) & (lower.mean(0) > 0.01) & (upper.mean(0) > 0.01)


def is_gripper(recording: Recording, key: str) -> np.ndarray:
    """Which dimensions are grippers by their names, or by switching, (D,)."""
    named = np.array([any(word in name.lower() for word in GRIPPERS) for name in recording.names[key]])
    return named | is_switch(recording.columns[key])
