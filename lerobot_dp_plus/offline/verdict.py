"""What the numbers of `scores.py` say, in plain sentences."""

import numpy as np

from lerobot_dp_plus.offline.scores import Scores

#: Spread ÷ error below and above which candidates are too alike or too different.
TOO_SURE, TOO_UNSURE = 0.7, 1.4
#: Error ÷ spread of one draw up to which an episode is learned, and up to which nearly.
LEARNED, NEARLY = 0.1, 0.25


def verdict(scores: Scores, executed: int) -> list[str]:
    """A handful of sentences.

    Args:
        scores: of a policy.
        executed: steps that it executes of a chunk.
    """
    percent = 100 * scores.relative
    said = f"One draw is off by {percent:.0f} % of the spread of the demonstrator's actions"
    if scores.interval is not None:
        said += f" (95 % interval over episodes {100 * scores.interval[0]:.0f}–{100 * scores.interval[1]:.0f} %)"
    count = len(scores.best)
    sentences = [
        said + f"; best of {count} instead of 1: {scores.best[-1]:.2f} instead of {scores.best[0]:.2f} spreads."
    ]
    sentences.append(_repeating(scores, executed))
    near, far = by_step(scores)[[0, -1]]
    sentences.append(
        f"The error is {100 * near:.0f} % of the spread at the first step and {100 * far:.0f} % at the last."
    )
    sentences.append(calibration(scores))
    return [each for each in sentences if each]


def by_step(scores: Scores) -> np.ndarray:
    """Error ÷ spread at every step (L,), over the dimensions that move."""
    return (scores.error / np.where(scores.moving, scores.spread, np.inf))[:, scores.moving].mean(1)


def calibration(scores: Scores) -> str:
    """Whether the candidates differ as much as they should."""
    ratio = scores.ratio
    held = ""
    if len(scores.nominal):
        k = int(np.argmin(np.abs(scores.nominal - 0.8)))
        held = f" (intervals that should hold {100 * scores.nominal[k]:.0f} % hold {100 * scores.coverage[k]:.0f} %)"
    if ratio < TOO_SURE:
        return (
            f"It is too sure of itself: candidates differ by {ratio:.2f} of what they are off{held}. More episodes or fewer "
            "updates make them differ more; so does --policy.noise_scale=1, if it is less."
        )
    if ratio > TOO_UNSURE:
        return (
            f"It is too unsure: candidates differ by {ratio:.2f} times what they are off{held}. It may not be trained enough; "
            "--policy.noise_scale=0.5 makes them differ less."
        )
    return f"Candidates differ about as much as they are off, {ratio:.2f} times{held}: its spread can be believed."


def learned(scores: Scores) -> tuple[bool, str]:
    """Whether an episode that was trained on is learned, and a sentence with the numbers."""
    percent = 100 * scores.relative
    each = scores.error.mean(0) / np.where(scores.moving, scores.spread, np.inf)
    off = f"one draw is off by {percent:.1f} % of the spread of the actions (worst dimension {100 * each.max():.1f} %)"
    if scores.relative <= LEARNED:
        return True, f"It can learn this episode: {off}."
    if scores.relative <= NEARLY:
        return False, f"It has nearly learned this episode: {off}. Give it more updates: --updates."
    return False, (
        f"It has not learned this episode: {off}. If more updates do not help, the observation does not decide the action: look "
        "for a delay, for what the demonstrator saw and the policy does not, and for still frames."
    )


def _repeating(scores: Scores, executed: int) -> str:
    """Against a policy that does again what it did."""
    if scores.repeating is None:
        return ""
    scale = np.where(scores.moving, scores.spread, np.inf)
    again, own = ((each[:executed] / scale)[:, scores.moving].mean() for each in (scores.repeating, scores.error))
    if own < again:
        return (
            f"Over the {executed} steps that are executed it is off by {100 * own:.0f} %; repeating the last action would be off "
            f"by {100 * again:.0f} %."
        )
    return (
        f"Over the {executed} steps that are executed it is off by {100 * own:.0f} %, which is no better than repeating the last "
        f"action ({100 * again:.0f} %)."
    )
