"""Time in which nothing moves: before the task begins, after it is done, and in between."""

import numpy as np
from lerobot.utils.constants import ACTION, OBS_STATE
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from lerobot_dp_plus.doctor.finding import Finding, Gravity
from lerobot_dp_plus.doctor.recording import Recording

NAME = "stillness"
#: Motion of less than this share of the usual range is none.
TINY = 0.015
#: A pause lasts as long, in seconds.
PAUSE = 1.0


def examine(recording: Recording) -> list[Finding]:
    """Still frames at the start, at the end and in pauses, each with its share of all frames."""
    start, end, middle = still_frames(recording)
    fps, total, findings = recording.fps, len(recording), []
    for where, frames, harm in (
        ("start", start, "a policy learns to wait there, and may wait for ever"),
        ("end", end, "a policy learns to stop, and may stop early"),
    ):
        share, seconds = frames.sum() / total, float(np.median(frames)) / fps
        if share < 0.05 or seconds < 0.5:
            continue
        worst = int(np.argmax(frames))
        findings.append(
            Finding(
                NAME,
                Gravity.GRAVE if share > 0.2 and where == "start" else Gravity.NOTE,
                f"Nothing moves at the {where} of episodes for {seconds:.1f} s (median; longest {frames.max() / fps:.1f} s in "
                f"episode {recording.episodes[worst]}), {100 * share:.0f} % of all frames: {harm}.",
                "Begin to record when you begin to move, and stop when it is done. Of a policy that waits at the start: let it "
                "look less often, with a larger --policy.n_action_steps.",
                {where: frames.tolist()},
            )
        )
    share = middle.sum() / total
    if share > 0.1:
        episodes = recording.episodes[middle >= PAUSE * fps]
        findings.append(
            Finding(
                NAME,
                Gravity.NOTE,
                f"Nothing moves for {PAUSE:g} s and more in the middle of {len(episodes)} of {len(recording.episodes)} episodes, "
                f"{100 * share:.0f} % of all frames: in a pause a policy does not see how long it has been waiting.",
                "Show the task in one go. A chunk that is longer than the pauses helps, too: a larger --policy.horizon and "
                "--policy.n_action_steps.",
                {"middle": middle.tolist()},
            )
        )
    if not findings:
        share = (start.sum() + end.sum() + middle.sum()) / total
        findings.append(
            Finding(NAME, Gravity.FINE, f"Something moves nearly always: still are {100 * share:.0f} % of frames.")
        )
    return findings


def still_frames(recording: Recording) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Still frames (E,) at the start and at the end of every episode, and in its pauses.

    At the start: as many frames as stay, in every dimension, within `TINY` of the usual range. At the end likewise. In a
    pause: frames around which that holds for `PAUSE` seconds.
    """
    keys = [key for key in (OBS_STATE, ACTION) if key in recording.columns]
    start, end, middle = (np.zeros(len(recording.episodes), int) for _ in range(3))
    scaled = []
    for key in keys:
        usual = recording.usual(key)
        # What hardly moves at all would otherwise count its noise as motion.
        scaled.append(recording.columns[key] / np.where(usual > 0, usual, np.inf))
    if not scaled:
        return start, end, middle
    values = np.concatenate(scaled, 1)
    window = max(2, round(PAUSE * recording.fps))
    for position, (first, last) in enumerate(zip(recording.starts, recording.stops, strict=True)):
        episode = values[first:last]
        start[position] = _begins(episode)
        end[position] = _begins(episode[::-1]) if start[position] < len(episode) else 0
        inner = episode[start[position] : len(episode) - end[position]]
        if len(inner) > window:
            spread = maximum_filter1d(inner, window, axis=0) - minimum_filter1d(inner, window, axis=0)
            middle[position] = (spread.max(1) < TINY).sum()
    return start, end, middle


def _begins(episode: np.ndarray) -> int:
    """Frames before the first that has left the place."""
    spread = (np.maximum.accumulate(episode) - np.minimum.accumulate(episode)).max(1)
    moved = spread >= TINY
    return int(moved.argmax()) if moved.any() else len(episode)
