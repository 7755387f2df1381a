"""Actions that leap within one frame, far beyond what is usual."""

import numpy as np
from lerobot.utils.constants import ACTION

from lerobot_dp_plus.doctor.dimensions import is_switch
from lerobot_dp_plus.doctor.finding import Finding, Gravity
from lerobot_dp_plus.doctor.recording import Recording

NAME = "jumps"
#: A jump is so many times as long as 99 of 100 steps, and at least this share of the usual range.
TIMES, SHARE = 5.0, 0.2


def examine(recording: Recording) -> list[Finding]:
    """Jumps by dimension and place. A dimension that only switches is left out: it must jump."""
    if recording.action is None:
        return []
    length = np.abs(recording.steps(ACTION))
    moving = np.where(recording.follows[:, None] & (length > 0), length, np.nan)
    usual = np.array([np.nanquantile(column, 0.99) if (~np.isnan(column)).any() else np.inf for column in moving.T])
    jumped = (length > TIMES * usual) & (length > SHARE * recording.usual(ACTION)) & ~is_switch(recording.action)
    rows = np.flatnonzero(jumped.any(1))
    if not len(rows):
        return [Finding(NAME, Gravity.FINE, "No action leaps beyond what is usual from one frame to the next.")]
    dims = jumped.any(0)
    worst = np.unravel_index(np.argmax(np.where(jumped, length / np.where(usual > 0, usual, np.inf), 0)), length.shape)
    return [
        Finding(
            NAME,
            Gravity.GRAVE
            if len(rows) > 0.002 * len(recording) or len(rows) >= 0.2 * len(recording.episodes)
            else Gravity.NOTE,
            f"Actions leap at {len(rows)} frames, in {recording.listed(ACTION, dims)}: {recording.places(rows)}. The largest leap "
            f"is {length[worst]:.3g}, and 99 of 100 steps of that dimension are below {usual[worst[1]]:.3g}.",
            "Look for a lost connection, an angle that wraps around, or a leader that was not aligned at the start. Leave these "
            "episodes out: a policy learns to jerk from them.",
            {"rows": rows.tolist(), "dimensions": np.flatnonzero(dims).tolist()},
        )
    ]
