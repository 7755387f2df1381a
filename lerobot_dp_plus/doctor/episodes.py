"""How many episodes, how long, and which are unlike the others."""

import numpy as np

from lerobot_dp_plus.doctor.finding import Finding, Gravity
from lerobot_dp_plus.doctor.recording import Recording
from lerobot_dp_plus.policies.dataset_remarks import spans
from lerobot_dp_plus.policies.timing import chunk_steps

NAME = "episodes"
#: Fewer show a task too seldom.
FEW = 20
#: An episode this much shorter or longer than the median is unlike the others.
SHORT, LONG = 0.25, 4.0


def examine(recording: Recording) -> list[Finding]:
    """Count and lengths; episodes shorter than a chunk; odd ones."""
    lengths, fps = recording.lengths, recording.fps
    median, count = float(np.median(lengths)), len(lengths)
    chunk = chunk_steps(fps)
    findings = [
        Finding(
            NAME,
            Gravity.FINE,
            f"{count} episodes of {lengths.min() / fps:.1f} to {lengths.max() / fps:.1f} s (median {median / fps:.1f} s), "
            f"{len(recording):,} frames at {fps:g} a second.",
            facts={"episodes": count, "frames": len(recording), "median": median},
        )
    ]
    if 1 < count < FEW:
        findings.append(
            Finding(
                NAME,
                Gravity.NOTE,
                f"There are {count} episodes; a task is rarely learned from fewer than {FEW}, and 50 are usual.",
                "Record more, with the object in other places: a policy knows only what it has seen.",
            )
        )
    short = lengths < min(chunk, SHORT * median) if median >= chunk else lengths < chunk
    if short.any():
        findings.append(
            Finding(
                NAME,
                Gravity.GRAVE if short.mean() > 0.2 else Gravity.NOTE,
                f"{_count(short)} {'is' if short.sum() == 1 else 'are'} shorter than {chunk / fps:.1f} s, the span of a chunk: "
                f"{spans(recording.episodes[short].tolist())}.",
                "Most of their chunks would be padding. "
                + (
                    _without(recording, short)
                    if short.mean() <= 0.2
                    else f"Shorten it: --policy.horizon={int(median) // 2}"
                ),
                {"short": recording.episodes[short].tolist()},
            )
        )
    odd = ~short & ((lengths < SHORT * median) | (lengths > LONG * median))
    if odd.any():
        named = ", ".join(f"{number} ({length / fps:.1f} s)" for number, length in _named(recording, odd))
        findings.append(
            Finding(
                NAME,
                Gravity.NOTE,
                f"{_count(odd)} {'is' if odd.sum() == 1 else 'are'} unlike the others, whose median is {median / fps:.1f} s: "
                f"{named}.",
                f"Look at them. {_without(recording, odd)}",
                {"odd": recording.episodes[odd].tolist()},
            )
        )
    return findings


def _count(chosen: np.ndarray) -> str:
    count = int(chosen.sum())
    return f"{count} episode{'s' if count > 1 else ''}"


def _named(recording: Recording, chosen: np.ndarray) -> list[tuple[int, int]]:
    return list(zip(recording.episodes[chosen].tolist(), recording.lengths[chosen].tolist(), strict=True))[:5]


def _without(recording: Recording, chosen: np.ndarray) -> str:
    """How to leave episodes out."""
    numbers = recording.episodes[chosen].tolist()[:50]
    return f"To leave them out: {recording.edit('delete_episodes')} --operation.episode_indices='{numbers}'"
