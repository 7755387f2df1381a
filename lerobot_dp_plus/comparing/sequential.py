"""Looking after every episode, and stopping when it is decided, at the stated error rate.

A test that is looked at again and again finds a difference in the end where there is none. This one bets: from a capital of
1 it stakes a part on the next episode's difference being above m, and another on its being below (Waudby-Smith and Ramdas
2024, Estimating means of bounded random variables by betting, hedged capital with predictable plug-in bets):

    K⁺_t(m) = Π (1 + λ⁺(x_i − m)),   K⁻_t(m) = Π (1 − λ⁻(x_i − m)),   K = ½ max(K⁺, K⁻)

A stake follows from the episodes before. If m is the mean, capital is a martingale, and reaches 1/α with a probability of at
most α however long one plays (Ville 1939). The means that are not refuted are a confidence sequence: it holds at all
times at once. x = (d + 1)/2 for d = success or score of A minus that of B, in [−1, 1].
"""

import numpy as np

#: Means that are tried, from −1 to 1.
GRID = np.linspace(-1, 1, 801)
#: Most of the capital that may be lost in an episode.
MOST = 0.75


def capital(differences: np.ndarray, mean: np.ndarray, alpha: float = 0.05) -> np.ndarray:
    """log K_t (…, T, G) of bets against each `mean` (G,) for differences (…, T) in [−1, 1]."""
    x = (np.asarray(differences, dtype=float) + 1) / 2
    m = (np.asarray(mean, dtype=float) + 1) / 2
    t = np.arange(1, x.shape[-1] + 1)
    running = (0.5 + np.cumsum(x, -1)) / (t + 1)
    variance = (0.25 + np.cumsum((x - running) ** 2, -1)) / (t + 1)
    before = np.concatenate([np.full((*x.shape[:-1], 1), 0.25), variance[..., :-1]], -1)
    stake = np.sqrt(2 * np.log(2 / alpha) / (before * t * np.log(t + 1)))[..., None]
    over, under = (np.minimum(stake, MOST / np.maximum(each, 1e-9)) for each in (m, 1 - m))
    gain = x[..., None] - m
    up, down = (np.cumsum(np.log1p(each), -2) for each in (over * gain, -under * gain))
    return np.log(0.5) + np.maximum(up, down)


def sequence(differences: np.ndarray, alpha: float = 0.05) -> tuple[float, float]:
    """The interval of the mean difference after the last of `differences` (T,); it holds whenever one stops."""
    kept = GRID[capital(differences, GRID, alpha)[-1] < np.log(1 / alpha)]
    mean = float(np.mean(differences))
    step = float(GRID[1] - GRID[0])  # the refuted neighbour is the end
    return (max(-1.0, float(kept[0]) - step), min(1.0, float(kept[-1]) + step)) if kept.size else (mean, mean)


def decided_at(differences: np.ndarray, alpha: float = 0.05) -> np.ndarray:
    """The number of episodes (…) after which a mean of 0 is refuted, or 0 where it never is; differences (…, T)."""
    refuted = capital(differences, np.zeros(1), alpha)[..., 0] >= np.log(1 / alpha)
    return np.where(refuted.any(-1), refuted.argmax(-1) + 1, 0)
