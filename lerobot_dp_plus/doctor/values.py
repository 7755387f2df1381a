"""Values that are no numbers, and statistics that do not belong to the data."""

from collections.abc import Mapping

import numpy as np

from lerobot_dp_plus.doctor.finding import Finding, Gravity
from lerobot_dp_plus.doctor.recording import Recording
from lerobot_dp_plus.policies.statistics import as_array

NAME = "values"
#: Share of the range by which stated extremes may differ from the data's.
APART = 0.01


def examine(recording: Recording) -> list[Finding]:
    """NaN and infinity by place, columns that cannot be read, and stale statistics."""
    findings = [
        Finding(
            NAME,
            Gravity.GRAVE,
            f"{key} cannot be used: {why}.",
            "Mend the column, or leave the feature out.",
            {"key": key},
        )
        for key, why in recording.unreadable.items()
    ]
    for key, values in recording.columns.items():
        bad = ~np.isfinite(values)
        if bad.any():
            rows = np.flatnonzero(bad.any(1))
            findings.append(
                Finding(
                    NAME,
                    Gravity.GRAVE,
                    f"{recording.listed(key, bad.any(0))}: {int(bad.sum())} values are NaN or infinite, in "
                    f"{recording.places(rows)}.",
                    "Training stops at the first of them. Leave these episodes out, or mend the column.",
                    {"key": key, "rows": rows.tolist()},
                )
            )
    stale = _stale(recording)
    if stale:
        findings.append(
            Finding(
                NAME,
                Gravity.GRAVE,
                f"meta/stats.json is not of these data: {'; '.join(stale)}.",
                f"Values would be normalised wrongly. Compute it anew: {recording.edit('recompute_stats')}",
                {"stale": stale},
            )
        )
    return findings or [Finding(NAME, Gravity.FINE, "All values are finite, and the statistics are those of the data.")]


def _stale(recording: Recording) -> list[str]:
    """Features whose stated extremes are not those of all frames."""
    whole = recording.meta is None or len(recording) == recording.meta.total_frames
    if not whole:
        return []  # a selection has other extremes than the whole
    found = []
    for key, values in recording.columns.items():
        stated: Mapping = recording.stats.get(key, {})
        if not {"min", "max"} <= set(stated) or not np.isfinite(values).all() or not len(values):
            continue
        low, high = (as_array(stated[name]).reshape(-1).astype(float) for name in ("min", "max"))
        if low.shape != values.shape[1:]:
            continue
        room = APART * np.maximum(values.max(0) - values.min(0), 1e-6 * np.abs(values).max(0))
        wrong = (np.abs(low - values.min(0)) > room) | (np.abs(high - values.max(0)) > room)
        for index in np.flatnonzero(wrong)[:2]:
            found.append(
                f"{recording.dimension(key, index)} reaches from {values[:, index].min():.4g} to {values[:, index].max():.4g}, "
                f"stated are {low[index]:.4g} to {high[index]:.4g}"
            )
    return found
