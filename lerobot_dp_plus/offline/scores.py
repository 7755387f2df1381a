"""How far candidates are from what was done, and whether they differ as much as they should.

y is the truth, c_1 … c_N are the candidates of one moment, step and dimension.

| score | formula | source |
|---|---|---|
| error | mean of abs(c_i − y): one draw | |
| best of n | mean over all choices of n of N candidates of the least distance, exactly, by order statistics | |
| coverage | share of y within the k-th least and the k-th largest candidate; (N + 1 − 2k)/(N + 1) if y is one of their kind | |
| spread ÷ error | √((1 + 1/N)·mean variance) ÷ root mean square of (mean of c − y); 1 if y is one of their kind | Fortin et al. 2014 |
| CRPS | mean of abs(c_i − y) − ½ mean over i ≠ j of abs(c_i − c_j): least if the distribution is right | Gneiting and Raftery 2007 |
"""

import math
from dataclasses import dataclass

import numpy as np

from lerobot_dp_plus.offline.draws import Draws

#: Resamplings of episodes for an interval, and the fewest episodes that allow one.
RESAMPLED, FEWEST = 500, 5


@dataclass(frozen=True)
class Scores:
    """Of M moments, N candidates, L steps and A dimensions; the latter in the data's units.

    Args:
        error: (L, A) of one draw; middle: (L, A) root mean square error of the mean of all.
        crps: (L, A).
        repeating: (L, A) error of doing again what was done before; None if that is not known.
        spread: (A,) standard deviation of the demonstrator's actions.
        moving: (A,) dimensions that move; only these count in what follows.
        relative: error ÷ spread, over steps and dimensions; interval: 95 %, by resampling episodes, if there are enough.
        best: (N,) distance of the best of 1 … N, in spreads, root mean square over steps and dimensions.
        nominal, coverage: (K,) what central intervals should and do hold; by_dimension: (K, A).
        ratio: spread ÷ error; ratios: (A,) of every dimension.
    """

    error: np.ndarray
    middle: np.ndarray
    crps: np.ndarray
    repeating: np.ndarray | None
    spread: np.ndarray
    moving: np.ndarray
    relative: float
    interval: tuple[float, float] | None
    best: np.ndarray
    nominal: np.ndarray
    coverage: np.ndarray
    by_dimension: np.ndarray
    ratio: float
    ratios: np.ndarray


def score(draws: Draws, seed: int = 0) -> Scores:
    """The scores of some draws.

    Raises:
        ValueError: no step of any moment is inside its episode, or no action moves.
    """
    chunks, truth, valid = draws.chunks.astype(np.float64), draws.truth.astype(np.float64), draws.valid
    if not valid.any():
        raise ValueError("no moment has an action inside its episode; choose longer episodes")
    count = chunks.shape[1]
    spread = truth[valid].std(0)
    moving = spread > 1e-6 * np.maximum(1.0, np.abs(truth[valid]).max(0))
    if not moving.any():
        raise ValueError("the actions of these episodes never move, so that nothing can be told")
    scale = np.where(moving, spread, np.inf)
    weight = valid[:, :, None].astype(float)

    def averaged(values: np.ndarray) -> np.ndarray:
        """(M, L, A) -> (L, A), over steps inside the episodes."""
        return (values * weight).sum(0) / np.maximum(weight.sum(0), 1)

    off = np.abs(chunks - truth[:, None])
    ordered = np.sort(chunks, axis=1)
    gaps = ((2 * np.arange(1, count + 1) - count - 1)[:, None, None] * ordered).sum(1)  # Σ_{i<j} |c_i − c_j|
    middle = chunks.mean(1) - truth
    variance = chunks.var(1, ddof=1)
    repeating = None if draws.before is None else averaged(np.abs(draws.before[:, None] - truth))
    ranks = np.arange(1, (count + 1) // 2)
    inside = np.stack([(ordered[:, k - 1] <= truth) & (truth <= ordered[:, -k]) for k in ranks]) if len(ranks) else np.zeros((0, *truth.shape))  # fmt: skip
    by_dimension = (inside * weight).sum((1, 2)) / weight.sum((0, 1))
    wide = np.sqrt((1 + 1 / count) * (variance * weight).sum((0, 1)) / weight.sum((0, 1)))
    missed = np.sqrt((middle**2 * weight).sum((0, 1)) / weight.sum((0, 1)))
    ratios = np.where(moving, wide / np.where(missed > 0, missed, np.nan), np.nan)
    off_by, differ = (float(np.linalg.norm((each / scale)[moving])) for each in (missed, wide))
    ratio = differ / max(off_by, 1e-12)
    each = (off.mean(1) / scale * weight)[:, :, moving].sum((1, 2)) / np.maximum(valid.sum(1) * moving.sum(), 1)
    relative, interval = _with_interval(each, valid.sum(1), draws.episode, seed)
    return Scores(
        averaged(off.mean(1)), np.sqrt(averaged(middle**2)), averaged(off.mean(1) - gaps / (count * (count - 1))),
        repeating, spread, moving, relative, interval, best_of(off / scale, valid, moving),
        (count + 1 - 2 * ranks) / (count + 1), by_dimension[:, moving].mean(1), by_dimension, ratio, ratios,
    )  # fmt: skip


def best_of(off: np.ndarray, valid: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """(N,): the mean distance of the best of 1 … N of the candidates whose errors are (M, N, L, A).

    Of N values in order d_1 ≤ … ≤ d_N the least of n that are chosen at random is d_k in C(N − k, n − 1) of C(N, n) cases.
    """
    count = off.shape[1]
    steps = np.maximum(valid.sum(1), 1)[:, None] * moving.sum()
    distance = np.sqrt((off[..., moving] ** 2 * valid[:, None, :, None]).sum((2, 3)) / steps)
    ordered = np.sort(distance[valid.any(1)], axis=1).mean(0)
    chances = np.array(
        [[math.comb(count - k, n - 1) / math.comb(count, n) for k in range(1, count + 1)] for n in range(1, count + 1)]
    )
    return chances @ ordered


def _with_interval(
    each: np.ndarray, steps: np.ndarray, episode: np.ndarray, seed: int
) -> tuple[float, tuple[float, float] | None]:
    """The mean of what moments have, weighted by their steps, and its 95 % interval by resampling whole episodes."""
    _, number = np.unique(episode, return_inverse=True)
    sums, weights = np.bincount(number, each * steps), np.bincount(number, steps)
    mean = float(sums.sum() / weights.sum())
    if len(sums) < FEWEST:
        return mean, None
    drawn = np.random.default_rng(seed).integers(0, len(sums), (RESAMPLED, len(sums)))
    means = sums[drawn].sum(1) / np.maximum(weights[drawn].sum(1), 1)
    low, high = np.quantile(means, [0.025, 0.975])
    return mean, (float(low), float(high))
