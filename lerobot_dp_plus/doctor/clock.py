"""Do the timestamps keep the rate that the dataset states?"""

import numpy as np

from lerobot_dp_plus.doctor.finding import Finding, Gravity
from lerobot_dp_plus.doctor.recording import Recording

NAME = "clock"
#: Share by which the measured rate may differ, and share of a frame's time by which one interval may.
RATE, INTERVAL = 0.01, 0.5


def examine(recording: Recording) -> list[Finding]:
    """The rate of the timestamps against the stated one, frames that are missing, and time that runs backwards."""
    follows = recording.follows
    gaps = np.diff(recording.timestamps, prepend=0.0)
    intervals = gaps[follows]
    if not len(intervals):
        return []
    fps, findings = recording.fps, []
    backwards = np.flatnonzero(follows & (gaps <= 0))
    if len(backwards):
        findings.append(
            Finding(
                NAME,
                Gravity.GRAVE,
                f"Time stands still or runs backwards at {len(backwards)} frames: {recording.places(backwards)}.",
                "Two recordings were joined or frames are out of order; leave these episodes out or record them again.",
                {"backwards": backwards.tolist()},
            )
        )
    middle = float(np.median(intervals))
    measured = 1 / middle if middle > 0 else float("inf")
    if abs(measured / fps - 1) > RATE:
        return [
            *findings,
            Finding(
                NAME,
                Gravity.GRAVE,
                f"The timestamps are {1000 * middle:.1f} ms apart, which is {measured:.3g} frames a second, and the dataset "
                f"states {fps:g}.",
                "The policy would be executed at the stated rate, so all motion at the wrong speed. Set `fps` in "
                "meta/info.json right if the timestamps are, or record again.",
                {"measured": measured},
            ),
        ]
    missing = np.flatnonzero(follows & (gaps > (1 + INTERVAL) / fps))
    if len(missing):
        lost = int(np.round(gaps[missing] * fps - 1).sum())
        findings.append(
            Finding(
                NAME,
                Gravity.GRAVE if lost > 0.02 * len(recording) else Gravity.NOTE,
                f"{lost} frames are missing before {len(missing)} frames, where timestamps are more than a frame apart: "
                f"{recording.places(missing)}.",
                "The recording computer was too slow now and then: fewer or smaller cameras, or a lower --dataset.fps when "
                "recording.",
                {"missing": missing.tolist(), "lost": lost},
            )
        )
    if not findings:
        findings.append(Finding(NAME, Gravity.FINE, f"Timestamps keep the stated {fps:g} frames a second."))
    return findings
