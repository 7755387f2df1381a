"""A comparison as figures and as plain sentences."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lerobot_dp_plus.comparing.outcomes import Key
from lerobot_dp_plus.comparing.paired import Counts, difference, episodes_needed, mcnemar, score_difference
from lerobot_dp_plus.comparing.sequential import decided_at, sequence
from lerobot_dp_plus.comparing.trainings import over_trainings

ALPHA = 0.05


@dataclass(frozen=True)
class Verdict:
    """What a comparison says. Fractions, not percent; differences are A minus B.

    Args:
        names: of A and B; trainings: of each.
        episodes: common ones; seeds: first and last environment seed.
        successes: the rates of A and B.
        success: difference of the rates, and the ends of its 95 % interval.
        score: the same of the mean largest reward; ends are None where all episodes agree.
        counts: both, only A, only B, neither; None of several trainings.
        p: McNemar's exact p-value; None where it is not what decides.
        decided_after: episodes after which a sequential comparison was decided, 0 for not; None of one of a fixed number.
        spreads: standard deviation of the success rates over trainings of A and B.
        needed: episodes that would show a difference of `smallest` in four of five comparisons.
    """

    names: tuple[str, str]
    trainings: tuple[int, int]
    episodes: int
    seeds: tuple[int, int]
    successes: tuple[float, float]
    success: tuple[float, float, float]
    score: tuple[float, float | None, float | None]
    counts: tuple[int, int, int, int] | None = None
    p: float | None = None
    decided_after: int | None = None
    spreads: tuple[float | None, float | None] | None = None
    smallest: float = 0.03
    needed: int | None = None

    @property
    def shown(self) -> bool:
        """Whether a difference of success is shown."""
        if self.decided_after is not None:
            return self.decided_after > 0
        if self.p is not None:
            return self.p < ALPHA
        return self.success[1] > 0 or self.success[2] < 0

    @property
    def said(self) -> list[str]:
        """In sentences, the verdict first."""
        found, low, high = (100 * each for each in self.success)
        lines = [self._verdict(found, low, high)]
        mean, *ends = self.score
        if ends[0] is not None and ends[1] is not None:
            lines.append(
                f"Mean largest reward: A minus B is {mean:+.3f} (95 % interval {ends[0]:+.3f} to {ends[1]:+.3f})."
            )
        if self.counts is not None:
            both, only_a, only_b, neither = self.counts
            lines.append(
                f"Both succeed in {both}, only A in {only_a}, only B in {only_b}, neither in {neither} episodes."
            )
        if self.decided_after is not None:
            lines.append(
                "The interval holds however often one looks (a confidence sequence), so stopping early is allowed."
            )
        lines += self._of_trainings()
        return lines

    def _verdict(self, found: float, low: float, high: float) -> str:
        a, b = self.names
        by = "" if self.p is None else f", exact McNemar p = {self.p:.2g}"
        where = f"{self.episodes} common episodes"
        if self.shown:
            better, worse = (a, b) if found > 0 else (b, a)
            low, high = (low, high) if found > 0 else (-high, -low)
            return (
                f"{better} is better than {worse}: {abs(found):.1f} points more success (95 % interval {low:.1f} to "
                f"{high:.1f}) on {where}{by}."
            )
        text = f"No difference shown: A minus B is {found:+.1f} points (95 % interval {low:+.1f} to {high:+.1f}) on {where}{by}"
        return f"{text}; {self._more()}." if self.needed is not None else f"{text}."

    def _more(self) -> str:
        assert self.needed is not None
        points, more = f"{100 * self.smallest:g} points", self.needed - self.episodes
        if more <= 0:
            return f"one of {points} would have been shown in four of five comparisons"
        rounded = int(np.ceil(more / 10 ** max(0, len(str(more)) - 2)) * 10 ** max(0, len(str(more)) - 2))
        return f"{rounded} more episodes would show one of {points} (in four of five comparisons)"

    def _of_trainings(self) -> list[str]:
        k_a, k_b = self.trainings
        if self.spreads is None:
            return [
                "One training of each: another training seed may give another result, and nothing here tells how much."
            ]
        told = [
            f"{name} has {count} trainings"
            + ("" if spread is None else f", which differ by ±{100 * spread:.1f} points (SD)")
            for name, count, spread in zip("AB", self.trainings, self.spreads, strict=True)
        ]
        lines = [f"{'; '.join(told)}. The interval counts training seeds as well as episodes."]
        if 1 in (k_a, k_b):
            lines.append(f"{'A' if k_a == 1 else 'B'} has one training: what is said holds for that one alone.")
        return lines

    def as_dict(self) -> dict[str, Any]:
        """For a file."""
        return {**asdict(self), "shown": self.shown, "said": self.said}


def judged(
    names: tuple[str, str],
    keys: Sequence[Key],
    success: tuple[np.ndarray, np.ndarray],
    score: tuple[np.ndarray, np.ndarray],
    smallest: float = 0.03,
    sequential: bool = False,
) -> Verdict:
    """Compare successes (k, N) and scores (k, N) of both.

    Args:
        keys: of the N common episodes.
        smallest: the difference that would matter, as a fraction.
        sequential: whether somebody has looked after every episode, in the order given; of one training each.
    """
    a, b = success
    seeds = [seed for _, seed in keys]
    rest: dict[str, Any]
    if len(a) > 1 or len(b) > 1:
        found, scores = over_trainings(a, b), over_trainings(*score)
        rest = {"success": found[:3], "score": scores[:3], "spreads": (found.spread_a, found.spread_b)}
    else:
        counts = Counts.of(a[0], b[0])
        rest = {"counts": tuple(counts), "needed": episodes_needed(counts, smallest)}
        if sequential:
            apart, gained = a[0] - b[0], np.clip(score[0][0] - score[1][0], -1, 1)
            rest |= {"decided_after": int(decided_at(apart)), "needed": None}
            rest |= {
                "success": (float(apart.mean()), *sequence(apart)),
                "score": (float(gained.mean()), *sequence(gained)),
            }
        else:
            rest |= {"p": mcnemar(counts), "success": difference(counts)}
            rest |= {"score": tuple(score_difference(score[0][0], score[1][0]))}
    return Verdict(
        names,
        (len(a), len(b)),
        len(keys),
        (min(seeds), max(seeds)),
        (float(a.mean()), float(b.mean())),
        smallest=smallest,
        **rest,
    )
