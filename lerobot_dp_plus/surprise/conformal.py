"""Thresholds with a stated rate of false alarms, from runs in which nothing was wrong."""

import math
from collections.abc import Sequence
from fractions import Fraction


def needed(alpha: float) -> int:
    """The smallest number of calibration scores from which a threshold for the rate `alpha` exists, ⌈1/α⌉ − 1."""
    return math.ceil(1 / _exact(alpha)) - 1


def threshold(scores: Sequence[float], alpha: float) -> float:
    """The ⌈(m+1)(1−α)⌉-th smallest of m scores. A further score exceeds it with a probability of at most α.

    Split-conformal prediction: Vovk, Gammerman and Shafer, "Algorithmic learning in a random world" (2005); Lei et al.,
    arXiv 1604.04173. It holds for every distribution and every m, if the scores and the further one are exchangeable. The
    probability is that over calibrations as well. Steps of one run depend on each other; the greatest scores of runs from
    random starts do not.

    Raises:
        ValueError: alpha is not in (0, 1), a score is not finite, or there are too few for alpha; naming how many it takes.
    """
    count = len(scores)
    if count < needed(alpha):
        raise ValueError(
            f"alpha = {alpha:g}: {count} calibration scores are too few to promise it, {needed(alpha)} are needed; with these "
            f"alpha can be at least 1/{count + 1}"
        )
    if not all(math.isfinite(score) for score in scores):
        raise ValueError("scores: calibration scores must be finite, and there is a NaN or an infinity among them")
    # In exact fractions: 30 · (1 − 0.7) in floating point is more than 9.
    rank = math.ceil((count + 1) * (1 - _exact(alpha)))
    return float(sorted(scores)[rank - 1])


def _exact(alpha: float) -> Fraction:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha = {alpha}: must be in (0, 1), the share of false alarms")
    return Fraction(repr(float(alpha)))
