"""How far a measured mean can be from the true one. Rates have Wilson's interval (`hub/intervals.py`)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import bootstrap

#: Resamples of a bootstrap; its own seed, so that the same values always give the same interval.
RESAMPLES, SEED = 2000, 0


class Mean(NamedTuple):
    """A mean and its 95 % interval; both ends are None where too few or equal values tell of no spread."""

    mean: float
    low: float | None
    high: float | None


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Mean:
    """The mean and its bias-corrected and accelerated bootstrap interval (Efron 1987), by scipy.

    Raises:
        ValueError: there are no values, or one is no finite number.
    """
    data = np.asarray(values, dtype=float)
    if not data.size or not np.isfinite(data).all():
        raise ValueError(f"{data.size} values, {int((~np.isfinite(data)).sum())} of them not finite: expected some")
    mean = float(data.mean())
    if data.size < 3 or np.ptp(data) == 0:
        return Mean(mean, None, None)
    found = bootstrap(
        (data,), np.mean, confidence_level=confidence, n_resamples=RESAMPLES, rng=np.random.default_rng(SEED)
    ).confidence_interval
    return Mean(mean, float(found.low), float(found.high))
