"""From what was found in a frame to one gaze: x, y and half side as shares of the picture, or 0, 0, 0 for none."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

#: What a frame without a box says.
NOTHING = (0.0, 0.0, 0.0)
#: What to do with several targets in a frame: take the one that is surest, or say nothing.
SEVERAL = ("best", "none")

type Gaze = tuple[float, float, float]


class Found(NamedTuple):
    """A target in a picture.

    Args:
        left, top, right, bottom: in pixels; right and bottom are beyond the last one.
        score: how sure it is, more is better.
    """

    left: float
    top: float
    right: float
    bottom: float
    score: float


def clipped(found: Found, width: int, height: int) -> Found | None:
    """The part of it that is in the picture; None if there is none."""
    left, right = max(found.left, 0.0), min(found.right, float(width))
    top, bottom = max(found.top, 0.0), min(found.bottom, float(height))
    return Found(left, top, right, bottom, found.score) if right > left and bottom > top else None


def gaze_of(found: Sequence[Found], width: int, height: int, several: str, counts: Counter[str]) -> Gaze:
    """The square around the target of a frame. `counts` is told of frames that have none, several, or a box beyond the edge."""
    inside = [(each, box) for each in found if (box := clipped(each, width, height)) is not None]
    counts["outside"] += len(inside) < len(found)
    counts["several"] += len(inside) > 1
    if not inside or (len(inside) > 1 and several == "none"):
        counts["none"] += 1
        return NOTHING
    whole, box = max(inside, key=lambda pair: pair[0].score)
    counts["cut"] += whole != box
    half = max(box.right - box.left, box.bottom - box.top) / 2 / max(width, height)
    return (box.left + box.right) / 2 / width, (box.top + box.bottom) / 2 / height, min(half, 0.5)
