"""Dimensions that never move."""

import numpy as np
from lerobot.utils.constants import ACTION

from lerobot_dp_plus.doctor.dimensions import moves
from lerobot_dp_plus.doctor.finding import Finding, Gravity
from lerobot_dp_plus.doctor.recording import Recording

NAME = "still dimensions"


def examine(recording: Recording) -> list[Finding]:
    """Which dimensions keep one value in all episodes, rounding aside."""
    still = {key: ~moves(values) for key, values in recording.columns.items()}
    named = [recording.listed(key, each) for key, each in still.items() if each.any()]
    if not named:
        return [Finding(NAME, Gravity.FINE, "Every dimension of states and actions moves.")]
    dead = ACTION in still and still[ACTION].all()
    value = next(
        float(recording.columns[key][0, index]) for key, each in still.items() for index in np.flatnonzero(each)[:1]
    )
    return [
        Finding(
            NAME,
            Gravity.GRAVE if dead else Gravity.NOTE,
            f"Never moved: {', '.join(named)} (the first stays at {value:.4g}).",
            "No action was recorded: look at the leader and at the feature `action`."
            if dead
            else "Is a motor unplugged, or a joint not used? If it is not used, all is well: it is given back as the constant.",
            {key: np.flatnonzero(each).tolist() for key, each in still.items() if each.any()},
        )
    ]
