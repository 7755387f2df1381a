"""Two policies on common episodes.

Only episodes in which one succeeds and the other fails tell them apart: b of them for A, c for B, of n.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest, norm

from lerobot_dp_plus.evaluation.statistics import Mean, mean_interval
from lerobot_dp_plus.hub.intervals import wilson_interval


class Counts(NamedTuple):
    """Episodes in which both succeed, only A, only B, neither."""

    both: int
    only_a: int
    only_b: int
    neither: int

    @classmethod
    def of(cls, a: np.ndarray, b: np.ndarray) -> "Counts":
        """Of successes (N,), 0 or 1."""
        first, second = a > 0.5, b > 0.5
        pairs = (first & second, first & ~second, ~first & second, ~first & ~second)
        return cls(*(int(each.sum()) for each in pairs))

    @property
    def episodes(self) -> int:
        """n."""
        return sum(self)


def mcnemar(counts: Counts) -> float:
    """The exact two-sided p-value of McNemar's test (1947): b of b + c against a fair coin; 1 where nothing differs."""
    differ = counts.only_a + counts.only_b
    return float(binomtest(counts.only_a, differ).pvalue) if differ else 1.0


def difference(counts: Counts, confidence: float = 0.95) -> tuple[float, float, float]:
    """Success of A minus that of B and its interval, as fractions (Newcombe 1998, Statist. Med. 17:2635, method 10).

    Wilson's intervals of both rates, put together with the correlation φ of the pairs, which is corrected for continuity.
    """
    n, (e, f, g, h) = counts.episodes, counts
    p, q = (e + f) / n, (e + g) / n
    (p_low, p_high), (q_low, q_high) = (wilson_interval(k, n, confidence) for k in (e + f, e + g))
    margins = (e + f) * (g + h) * (e + g) * (f + h)
    product = e * h - f * g
    corrected = max(product - n / 2, 0) if product > 0 else product
    phi = corrected / math.sqrt(margins) if margins else 0.0
    below = (p - p_low) ** 2 - 2 * phi * (p - p_low) * (q_high - q) + (q_high - q) ** 2
    above = (q - q_low) ** 2 - 2 * phi * (q - q_low) * (p_high - p) + (p_high - p) ** 2
    return p - q, p - q - math.sqrt(max(below, 0.0)), p - q + math.sqrt(max(above, 0.0))


def score_difference(a: np.ndarray, b: np.ndarray) -> Mean:
    """Mean of score of A minus that of B over episodes (N,), and the paired bootstrap's interval."""
    return mean_interval(a - b)


def episodes_needed(counts: Counts, smallest: float, power: float = 0.8, alpha: float = 0.05) -> int:
    """n at which McNemar's test shows a difference of `smallest` in a share `power` of evaluations (Connor 1987).

        n = (z_{1−α/2} √ψ + z_power √(ψ − δ²))² / δ²

    ψ, how often the two differ, is taken from the counts, with a half added to b and c, and is at least δ.
    """
    psi = max((counts.only_a + counts.only_b + 1) / (counts.episodes + 2), smallest)
    z = norm.ppf(1 - alpha / 2) * math.sqrt(psi) + norm.ppf(power) * math.sqrt(max(psi - smallest**2, 0))
    return math.ceil((z / smallest) ** 2)
