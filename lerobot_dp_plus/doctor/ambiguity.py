"""How much the actions differ where nearly the same is observed, and whether there are two ways.

For some hundred moments the K nearest moments of other episodes are sought, by all observed numbers now and 0.1 s ago. What
is compared are the chunks of actions that followed. One way: their first principal axis has one hump. Two ways: it splits
into two groups that explain nearly all of the variance.
"""

from typing import NamedTuple

import numpy as np
from lerobot.utils.constants import ACTION

from lerobot_dp_plus.doctor.finding import Finding, Gravity
from lerobot_dp_plus.doctor.recording import PLACES, Recording
from lerobot_dp_plus.policies.timing import chunk_steps, steps_between_observations

NAME = "ambiguity"
#: Neighbours, moments that are looked at, and moments that they are sought among.
K, MOMENTS, AMONG = 16, 300, 12_000
#: Share of variance that two groups must explain to be two ways. One Gaussian of K samples gives 0.64, rarely 0.8.
SPLIT = 0.88
#: A split among chunks that hardly differ is none: they must differ by this share of what chunks differ in general.
APART = 0.15
#: Points of a chunk.
POINTS = 8
#: Neighbours farther than this, in standard deviations per dimension, are none.
NEARBY = 0.35


class Ambiguity(NamedTuple):
    """What is found.

    Args:
        moments: how many were looked at.
        unexplained: the variance of chunks among neighbours, as a share of all variance.
        forks: the share of moments with two ways.
        rows: where these are.
    """

    moments: int
    unexplained: float
    forks: float
    rows: np.ndarray


def examine(recording: Recording) -> list[Finding]:
    """How far the observed numbers decide the actions, and how often there are two ways."""
    found = ambiguity(recording)
    if found is None:
        return [
            Finding(
                NAME,
                Gravity.FINE,
                "Too few moments of different episodes are alike to tell whether there are several ways.",
            )
        ]
    seen = "what is observed" if not recording.cameras else "what is observed, pictures aside,"
    said = (
        f"Where {seen} is nearly the same, actions still differ by {100 * found.unexplained:.0f} % of all their variance, and at "
        f"{100 * found.forks:.0f} % of {found.moments} moments there are two ways"
    )
    facts = {"unexplained": found.unexplained, "forks": found.forks}
    if found.forks >= 0.1:
        return [
            Finding(
                NAME,
                Gravity.NOTE,
                f"{said}, for example in {recording.places(found.rows[:PLACES])}.",
                "Keep a policy that draws one of several ways, as all presets do; regression (--policy.objective.type=regression, "
                "or ACT without its latent) would go between them."
                + (" If the pictures say which way, see that they show it." if recording.cameras else ""),
                facts,
            )
        ]
    if found.unexplained > 0.6 and not recording.cameras:
        return [
            Finding(
                NAME,
                Gravity.NOTE,
                f"{said}: much of what decides the actions is not among the observations.",
                "What did the demonstrator see that the policy does not? Add it to the observations.",
                facts,
            )
        ]
    return [Finding(NAME, Gravity.FINE, f"{said}.", facts=facts)]


def ambiguity(recording: Recording) -> Ambiguity | None:
    """The spread and the splits of chunks among neighbours; None where too few moments have any."""
    if recording.action is None or not recording.observations or len(recording.episodes) < 4:
        return None
    horizon, apart = chunk_steps(recording.fps), steps_between_observations(recording.fps)
    left = recording.stops[recording.episode] - np.arange(len(recording))
    into = np.arange(len(recording)) - recording.starts[recording.episode]
    rows = np.flatnonzero((left > horizon) & (into >= apart))
    if len(rows) < 10 * K:
        return None
    among = rows[np.unique(np.linspace(0, len(rows) - 1, min(AMONG, len(rows))).astype(int))]
    asked = among[np.unique(np.linspace(0, len(among) - 1, min(MOMENTS, len(among))).astype(int))]
    seen = _seen(recording, apart)
    there, whole = seen[among], _chunks(recording, horizon, among)
    square = (there**2).sum(1)
    variance = whole.var(0).sum()
    if not there.shape[1] or not variance:
        return None  # nothing moves
    within, forks, kept = [], [], []
    for row in asked:
        distance = square + (seen[row] ** 2).sum() - 2 * (there @ seen[row])
        distance[recording.episode[among] == recording.episode[row]] = np.inf
        near = _one_an_episode(distance, recording.episode[among])
        if near is None or np.sqrt(max(distance[near[-1]], 0) / there.shape[1]) > NEARBY:
            continue
        group = whole[near]
        within.append(group.var(0, ddof=1).sum())
        forks.append(_two_ways(group, variance))
        kept.append(row)
    if len(kept) < 20:
        return None
    split = np.array(forks)
    return Ambiguity(len(kept), float(np.mean(within) / variance), float(split.mean()), np.array(kept)[split])


def _one_an_episode(distance: np.ndarray, episode: np.ndarray) -> np.ndarray | None:
    """The K nearest, each of another episode; None if there are not as many.

    Moments right after each other are one moment. Where there are few episodes, two of one may count.
    """
    nearest = np.argpartition(distance, min(40 * K, len(distance) - 1))[: 40 * K]
    nearest = nearest[np.argsort(distance[nearest])]
    each = max(1, -(-K // max(1, len(np.unique(episode)) - 1)))
    taken: dict[int, int] = {}
    found = []
    for index in nearest:
        if not np.isfinite(distance[index]):
            break
        number = int(episode[index])
        if taken.get(number, 0) < each:
            taken[number] = taken.get(number, 0) + 1
            found.append(index)
        if len(found) == K:
            return np.array(found)
    return None


def _two_ways(chunks: np.ndarray, variance: float) -> bool:
    """Whether chunks (K, C) fall into two groups of at least a quarter each along their first principal axis."""
    centred = chunks - chunks.mean(0)
    if (centred**2).sum() / len(chunks) < APART**2 * variance:
        return False
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    along = np.sort(centred @ axes[0])
    total = ((along - along.mean()) ** 2).sum()
    least = len(along) // 4
    best = max(
        cut * (along[:cut].mean() - along.mean()) ** 2 + (len(along) - cut) * (along[cut:].mean() - along.mean()) ** 2
        for cut in range(least, len(along) - least + 1)
    )
    return bool(best > SPLIT * total)


def _seen(recording: Recording, apart: int) -> np.ndarray:
    """What is observed in every row and how it has moved, in standard deviations, (N, C)."""
    parts = []
    for key in recording.observations:
        values = np.nan_to_num(recording.columns[key])
        deviation = values.std(0)
        parts.append((values - values.mean(0)) / np.where(deviation > 1e-9, deviation, np.inf))
    values = np.concatenate(parts, 1)
    values = values[:, values.std(0) > 0]
    change = np.zeros_like(values)
    change[apart:] = values[apart:] - values[:-apart]
    deviation = change.std(0)
    # The way it moves says less than the place: at half the weight.
    change = 0.5 * change / np.where(deviation > 1e-9, deviation, np.inf)
    return np.concatenate([values, change], 1)


def _chunks(recording: Recording, horizon: int, rows: np.ndarray) -> np.ndarray:
    """The actions that follow rows (n,), in usual ranges, (n, POINTS · A)."""
    usual = recording.usual(ACTION)
    values = np.nan_to_num(recording.columns[ACTION] / np.where(usual > 0, usual, np.inf))
    offsets = np.linspace(0, horizon - 1, POINTS).round().astype(int)
    return values[rows[:, None] + offsets].reshape(len(rows), -1)
