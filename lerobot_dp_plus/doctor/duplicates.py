"""Episodes that are nearly the same, which are one episode twice."""

import numpy as np
from lerobot.utils.constants import ACTION, OBS_STATE

from lerobot_dp_plus.doctor.finding import Finding, Gravity
from lerobot_dp_plus.doctor.recording import Recording

NAME = "duplicates"
#: Points that an episode is reduced to, and episodes that are compared.
POINTS, MOST = 24, 1500
#: Nearer than this share of the usual distance between episodes are duplicates; lengths may differ by as much.
NEAR = 0.01


def examine(recording: Recording) -> list[Finding]:
    """Pairs of episodes whose states and actions agree at every point of their course."""
    pairs = twins(recording)
    if not pairs:
        return [Finding(NAME, Gravity.FINE, "No two episodes are nearly the same.")]
    again = sorted({other for _, other in pairs})
    told = ", ".join(f"{one} and {other}" for one, other in pairs[:5]) + (" and more" if len(pairs) > 5 else "")
    return [
        Finding(
            NAME,
            Gravity.GRAVE if len(again) > 0.1 * len(recording.episodes) else Gravity.NOTE,
            f"{len(again)} episodes are nearly the same as others: {told}.",
            "They teach nothing new, and a copy among held-out episodes makes these look better than they are. Delete them: "
            f"{recording.edit('delete_episodes')} --operation.episode_indices='{again[:50]}'",
            {"pairs": pairs},
        )
    ]


def twins(recording: Recording) -> list[tuple[int, int]]:
    """Numbers of episodes that are nearly the same, the earlier first."""
    keys = [key for key in (OBS_STATE, ACTION) if key in recording.columns] or list(recording.columns)
    count = min(len(recording.episodes), MOST)
    if count < 2 or not keys:
        return []
    courses = []
    for key in keys:
        usual = recording.usual(key)
        values = np.nan_to_num(recording.columns[key] / np.where(usual > 0, usual, np.inf))
        share = np.linspace(0, 1, POINTS)
        rows = recording.starts[:count, None] + np.round((recording.lengths[:count, None] - 1) * share).astype(int)
        courses.append(values[rows].reshape(count, -1))
    course = np.concatenate(courses, 1)
    square = (course**2).sum(1)
    apart = np.sqrt(np.maximum(square[:, None] + square[None] - 2 * course @ course.T, 0.0))
    one, other = np.triu_indices(count, 1)
    usual_distance = np.median(apart[one, other])
    lengths = recording.lengths[:count]
    # A handful of frames says nothing; nor do episodes that are all alike.
    same = (apart[one, other] <= NEAR * usual_distance) & (np.abs(lengths[one] - lengths[other]) <= NEAR * lengths[one])
    same &= (lengths[one] >= POINTS // 2) & (usual_distance > 1e-9)
    found = np.flatnonzero(same)
    return [(int(recording.episodes[one[k]]), int(recording.episodes[other[k]])) for k in found]
