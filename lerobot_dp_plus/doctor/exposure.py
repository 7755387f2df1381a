"""Pictures that are too bright or too dark: what is clipped holds no detail."""

import numpy as np

from lerobot_dp_plus.doctor.cameras import is_black
from lerobot_dp_plus.doctor.finding import Finding, Gravity
from lerobot_dp_plus.doctor.footage import Look
from lerobot_dp_plus.doctor.recording import Recording

NAME = "exposure"
#: Shares of clipped pixels that are worth knowing, and grave.
MUCH, MOST = 0.2, 0.5


def examine(recording: Recording, looks: list[Look]) -> list[Finding]:
    """The share of clipped pixels of every camera, at either end."""
    findings = []
    for camera in recording.cameras:
        own = [each for each in looks if each.camera == camera and not each.neighbours and not is_black(each)]
        if not own:
            continue
        over, under = (np.array([each.clipped[end] for each in own]) for end in (0, 1))
        for what, shares, do in (
            ("white", over, "less light or a shorter exposure; automatic exposure off"),
            ("black", under, "more light or a longer exposure; automatic exposure off"),
        ):
            if shares.mean() > MUCH:
                worst = own[int(shares.argmax())]
                findings.append(
                    Finding(
                        NAME,
                        Gravity.GRAVE if shares.mean() > MOST else Gravity.NOTE,
                        f"{100 * shares.mean():.0f} % of the pixels of {camera} are clipped to {what} (most in episode "
                        f"{worst.episode}, {100 * shares.max():.0f} %).",
                        f"If it is not the scene itself that is {what}, as in a drawn one: {do}.",
                        {"camera": camera, what: float(shares.mean())},
                    )
                )
    if not findings and looks:
        findings.append(Finding(NAME, Gravity.FINE, "No camera is clipped to white or black in much of its picture."))
    return findings
