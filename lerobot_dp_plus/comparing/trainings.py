"""Several trainings of each policy: how much of a difference is luck of the training seed.

Episodes of one training say nothing of the next training. A and B have k_A and k_B trainings, all on the same n episodes:

    SE² = s²_A / k_A + s²_B / k_B + s²_E / n

s_A and s_B are the standard deviations over the trainings' rates, and s_E that over episodes of A's mean minus B's. The
interval is Student's with the degrees of freedom of Satterthwaite (1946). The noise of single episodes is counted in
both, so the interval is a little wider than it must be; `tests/comparing` measures how often it covers.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import t


class Level(NamedTuple):
    """A difference of means and its interval.

    Args:
        degrees: of freedom.
        spread_a, spread_b: standard deviation over the trainings' means; None of a single training.
    """

    difference: float
    low: float
    high: float
    degrees: float
    spread_a: float | None
    spread_b: float | None


def over_trainings(a: np.ndarray, b: np.ndarray, confidence: float = 0.95) -> Level:
    """Mean of A minus that of B for values (k_A, N) and (k_B, N) of common episodes.

    A policy of one training adds no spread: what is said then holds for that training alone.

    Raises:
        ValueError: both have one training.
    """
    if len(a) < 2 and len(b) < 2:
        raise ValueError("both policies have one training: nothing tells how much trainings differ")
    found = float(a.mean() - b.mean())
    parts, degrees = [], []
    for each in (a, b):
        if len(each) > 1:
            parts.append(each.mean(1).var(ddof=1) / len(each))
            degrees.append(len(each) - 1)
    apart = a.mean(0) - b.mean(0)
    parts.append(apart.var(ddof=1) / len(apart))
    degrees.append(len(apart) - 1)
    variance = np.array(parts)
    total = float(variance.sum())
    if total == 0:
        return Level(found, found, found, float("inf"), *(_spread(each) for each in (a, b)))
    freedom = total**2 / float((variance**2 / np.array(degrees)).sum())
    wide = float(t.ppf((1 + confidence) / 2, freedom)) * total**0.5
    return Level(found, found - wide, found + wide, freedom, *(_spread(each) for each in (a, b)))


def _spread(values: np.ndarray) -> float | None:
    return float(values.mean(1).std(ddof=1)) if len(values) > 1 else None
