"""What is assumed of a recording with several things, besides what `assumptions.py` says of the camera and the robot.

| assumption | it fails if |
|---|---|
| the things lie apart in some pictures, whole and away from the robot | too few pictures show just so many parts, or one is never whole |
| every thing is in sight | one of them is hidden in more than `UNSEEN` of the pictures |
| what moves is so many rigid things in the picture's plane | placing them explains less than `EXPLAINED` of what differs, or one of them less than `EACH` |
| the things look different from each other | more than `SWAPPED` of the pictures are explained as well with two of them in each other's places |

A thing that looks alike from several sides is no reason to refuse: it has a place, and no direction is written.
"""

import torch

from lerobot_dp_plus.sprites.assumptions import EXPLAINED, SHOWN, TURNED, Unseeable, some_of
from lerobot_dp_plus.sprites.reading_layers import LayersQuality, LayersReading

EACH, UNSEEN, SWAPPED = 0.75, 0.15, 0.25


def check_layers(reading: LayersReading, quality: LayersQuality) -> None:
    """Raise `Unseeable` for what shows in poses of several things that were found."""
    count = len(reading.poses)
    unseen = max(range(count), key=lambda number: quality.hidden[number])
    if quality.hidden[unseen] > UNSEEN:
        raise Unseeable(
            "every thing is in sight",
            f"thing {unseen + 1} is hidden in {quality.hidden[unseen]:.0%} of the pictures",
            some_of(reading.hidden[:, unseen].nonzero()[:, 0]),
        )
    weakest = min(range(count), key=lambda number: quality.each[number])
    if quality.explained < EXPLAINED or quality.each[weakest] < EACH:
        worst = (reading.error / reading.empty.clamp_min(1e-12)).argsort(descending=True)
        raise Unseeable(
            f"what moves is {count} rigid things in the picture's plane",
            f"placing them explains {quality.explained:.0%} of what differs from the background, and should {EXPLAINED:.0%}; "
            f"of what thing {weakest + 1} shows {quality.each[weakest]:.0%}, and should {EACH:.0%}",
            worst[:SHOWN].tolist(),
        )
    if quality.swapped > SWAPPED:
        raise Unseeable(
            "the things look different from each other",
            f"{quality.swapped:.0%} of the pictures are explained as well with two things in each other's places",
            some_of(reading.swapped.nonzero()[:, 0]),
        )


def alike(quality: LayersQuality) -> tuple[bool, ...]:
    """Which things look alike from several sides, so that their direction cannot be told."""
    return tuple(share > TURNED for share in quality.turned)


def apart(said: str, rows: torch.Tensor) -> Unseeable:
    """The error that no looks could be cut out."""
    return Unseeable("the things lie apart in some pictures, whole and away from the robot", said, some_of(rows))
