"""Grippers and joints that stay at an end of their range."""

import numpy as np
from lerobot.utils.constants import ACTION, OBS_STATE

from lerobot_dp_plus.doctor.delay import paired
from lerobot_dp_plus.doctor.dimensions import RARELY, at_ends, is_gripper, moves
from lerobot_dp_plus.doctor.finding import Finding, Gravity
from lerobot_dp_plus.doctor.recording import Recording

NAME = "saturation"
#: Share of frames at one end from which a dimension counts as saturated, for grippers and for others.
GRIPPER, JOINT = 0.2, 0.1
#: Share of frames that the rarer position of a gripper needs.
RARE = 0.02


def examine(recording: Recording) -> list[Finding]:
    """Dimensions that stay at an end, and whether their partner goes on moving, so that they are cut off."""
    findings = []
    for key in (ACTION, OBS_STATE):
        if key not in recording.columns:
            continue
        lower, upper = flat_ends(recording, key)
        gripper = is_gripper(recording, key)
        low, high = lower.mean(0), upper.mean(0)
        for index in np.flatnonzero(np.maximum(low, high) >= np.where(gripper, GRIPPER, JOINT)):
            findings.append(
                _saturated(recording, key, int(index), lower[:, index], upper[:, index], bool(gripper[index]))
            )
    return findings or [Finding(NAME, Gravity.FINE, "No gripper and no joint stays at an end of its range.")]


def flat_ends(recording: Recording, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Whether each value is at the lower and at the upper end and stays there, (N, D) each.

    It stays if it moves less than a thousandth of the range to or from the next frame: passing by is no stop.
    """
    values = recording.columns[key]
    lower, upper = at_ends(values)
    room = 1e-3 * recording.usual(key)
    flat = (np.abs(recording.steps(key)) <= room) & recording.follows[:, None]
    stays = flat | np.r_[flat[1:], np.zeros((1, values.shape[1]), bool)]
    return lower & stays, upper & stays


def _saturated(
    recording: Recording, key: str, index: int, lower: np.ndarray, upper: np.ndarray, gripper: bool
) -> Finding:
    values = recording.columns[key][:, index]
    low, high = 100 * lower.mean(), 100 * upper.mean()
    name = recording.dimension(key, index)
    said = (
        f"{name} stays at its {'lower' if low >= high else 'upper'} end, {np.quantile(values, RARELY if low >= high else 1 - RARELY):.4g}, in "
        f"{max(low, high):.0f} % of all frames, and at the other in {min(low, high):.0f} %"
    )
    cut = _cut_off(recording, key, index, lower | upper)
    facts = {"key": key, "dimension": index, "lower": low / 100, "upper": high / 100, "cut": cut is not None}
    if cut is not None:
        return Finding(
            NAME,
            Gravity.GRAVE,
            f"{said}; {cut} goes on moving meanwhile, so its values are cut off there.",
            "Calibrate it anew, so that its range reaches as far as the motion.",
            facts,
        )
    if gripper and min(100 * RARE, 100) > min(low, high) and max(low, high) > 100 * (1 - RARE):
        return Finding(
            NAME,
            Gravity.GRAVE,
            f"{said}: it hardly ever does the other thing.",
            "The policy sees too few examples of it: record episodes in which the gripper opens and closes.",
            facts,
        )
    end = "Its range is cut at the stop; that is all right for a gripper that holds with force, and calibrating it anew gives it room."
    return Finding(
        NAME,
        Gravity.NOTE,
        said + (": it works like a switch." if gripper and low + high > 90 else "."),
        "Keep MIN_MAX for it: both ends become −1 and 1, which the policy can reach exactly."
        if gripper
        else f"Is that a stop, or the end of what was calibrated? {end}",
        facts,
    )


def _cut_off(recording: Recording, key: str, index: int, stays: np.ndarray) -> str | None:
    """The partner, action or state, that moves over a tenth of its range while this dimension stays at an end."""
    pairs = paired(recording)
    other = OBS_STATE if key == ACTION else ACTION
    partners = [s if key == ACTION else a for a, s in pairs if (a if key == ACTION else s) == index]
    if not partners or not moves(recording.columns[other])[partners[0]]:
        return None
    change = np.abs(recording.steps(other)[:, partners[0]])
    usual = recording.usual(other)[partners[0]]
    inner = stays & recording.follows
    # While it stays longer than half a second: right after it arrives the partner may still be on its way.
    settle = max(1, round(0.5 * recording.fps))
    kept = np.convolve(inner, np.ones(settle + 1), "full")[: len(inner)] > settle
    brisk = change > 0.1 * np.median(change[change > 0]) if (change > 0).any() else np.zeros(len(change), bool)
    travelled = change[kept & brisk].sum() / max(1, kept.sum()) * recording.fps
    return (
        recording.dimension(other, partners[0]) if kept.sum() > 0.02 * len(kept) and travelled > 0.1 * usual else None
    )
