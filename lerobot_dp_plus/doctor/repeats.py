"""Frames that were recorded twice, and frames that were lost though the timestamps do not say so."""

import numpy as np
from lerobot.utils.constants import ACTION, OBS_STATE

from lerobot_dp_plus.doctor.finding import Finding, Gravity
from lerobot_dp_plus.doctor.recording import Recording

NAME = "frames"
#: A repeated frame stands between two that move, at most so many frames apart.
LONGEST = 3
#: Share of moving frames that repeat, above which it is grave.
MANY = 0.05


def examine(recording: Recording) -> list[Finding]:
    """Repeats of state and action, together or of one alone; sudden steps of twice the length."""
    still = {key: stuck(recording, key) for key in (OBS_STATE, ACTION) if key in recording.columns}
    findings = []
    if len(still) == 2:
        both = still[OBS_STATE] & still[ACTION]
        if both.any():
            findings.append(_repeated(recording, "state and action", both))
        still = {key: rows & ~both for key, rows in still.items()}
    for key, rows in still.items():
        share = rows.sum() / max(1, (rows | _brisk(recording, _length(recording, key))).sum())
        if share > MANY:
            findings.append(_slow(recording, key, rows, float(share)))
    lost = skipped(recording)
    if len(lost):
        findings.append(
            Finding(
                NAME,
                Gravity.GRAVE if len(lost) > 0.02 * len(recording) else Gravity.NOTE,
                f"The state makes a step of twice the usual length {len(lost)} times in the middle of even motion, as if a frame "
                f"was lost: {recording.places(lost)}.",
                "The recording computer was too slow there: fewer or smaller cameras, or a lower --dataset.fps when recording.",
                {"lost": lost.tolist()},
            )
        )
    if not findings:
        findings.append(Finding(NAME, Gravity.FINE, "No frame is repeated, and none seems to be lost."))
    return findings


def stuck(recording: Recording, key: str) -> np.ndarray:
    """(N,): rows that equal the row before to the bit, although motion goes on before and after."""
    length = _length(recording, key)
    same, brisk = recording.follows & (length == 0), _brisk(recording, length)
    # Runs of equal rows that are short and lie between two brisk steps of the same episode.
    edges = np.flatnonzero(np.diff(np.r_[False, same, False].astype(int)))
    found = np.zeros(len(recording), bool)
    for start, stop in edges.reshape(-1, 2):
        inside = stop < len(same) and recording.follows[stop] and recording.follows[start - 1]
        if stop - start <= LONGEST and inside and brisk[start - 1] and brisk[stop]:
            found[start:stop] = True
    return found


def _length(recording: Recording, key: str) -> np.ndarray:
    """How far each row is from the one before, in usual ranges, in the dimension that moves most, (N,)."""
    usual = np.where(recording.usual(key) > 0, recording.usual(key), 1.0)
    return np.abs(recording.steps(key) / usual).max(1)


def _brisk(recording: Recording, length: np.ndarray) -> np.ndarray:
    """Steps of at least half of the usual length, (N,)."""
    moving = length[(length > 0) & recording.follows]
    return length > 0.5 * np.median(moving) if len(moving) else np.zeros(len(length), bool)


def skipped(recording: Recording) -> np.ndarray:
    """Rows at which the state moves on by twice or thrice the step of its two neighbours on either side, the same way."""
    if OBS_STATE not in recording.columns or len(recording) < 5:
        return np.zeros(0, int)
    usual = np.where(recording.usual(OBS_STATE) > 0, recording.usual(OBS_STATE), 1.0)
    step = recording.steps(OBS_STATE) / usual
    length = np.linalg.norm(step, axis=1)
    moving = length[length > 0]
    rows = np.arange(2, len(recording) - 2)
    around = np.stack([length[rows + k] for k in (-2, -1, 1, 2)])
    mean = np.maximum(around.mean(0), 1e-12)
    even = (np.abs(around / mean - 1) < 0.2).all(0) & (mean > 0.5 * np.median(moving) if len(moving) else False)
    inside = np.stack([recording.follows[rows + k] for k in (-2, -1, 0, 1, 2)]).all(0)
    ratio = length[rows] / mean
    long = (np.abs(ratio - 2) < 0.25) | (np.abs(ratio - 3) < 0.25)
    rows = rows[even & inside & long]
    here = step[rows] / np.maximum(length[rows, None], 1e-12)
    ahead = [step[rows + k] / np.maximum(length[rows + k, None], 1e-12) for k in (-2, -1, 1, 2)]
    return rows[np.stack([(here * other).sum(1) > 0.97 for other in ahead]).all(0)] if len(rows) else rows


def _repeated(recording: Recording, what: str, rows: np.ndarray) -> Finding:
    share = rows.mean()
    return Finding(
        NAME,
        Gravity.GRAVE if share > MANY else Gravity.NOTE,
        f"{int(rows.sum())} frames repeat the {what} of the frame before in the middle of motion ({100 * share:.1f} %): "
        f"{recording.places(np.flatnonzero(rows))}.",
        "The loop recorded faster than the robot answered: record at a lower --dataset.fps, or see what blocks the loop.",
        {"repeated": np.flatnonzero(rows).tolist()},
    )


def _slow(recording: Recording, key: str, rows: np.ndarray, share: float) -> Finding:
    short = key.removeprefix("observation.")
    return Finding(
        NAME,
        Gravity.GRAVE if key == OBS_STATE and share > 0.25 else Gravity.NOTE,
        f"The {short} alone repeats in {100 * share:.0f} % of the frames in which it should move: it is read about "
        f"{recording.fps * (1 - share):.0f} times a second, and frames are recorded {recording.fps:g} times.",
        "Record at the rate at which the robot is read, with a lower --dataset.fps; motion in stairs makes a policy that jerks.",
        {"key": key, "share": share, "rows": np.flatnonzero(rows).tolist()},
    )
