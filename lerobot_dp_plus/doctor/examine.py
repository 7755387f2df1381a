"""All examinations, in the order in which they are told."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from lerobot_dp_plus.doctor import (
    ambiguity,
    cameras,
    clock,
    constant,
    delay,
    duplicates,
    ends,
    episodes,
    exposure,
    jumps,
    outliers,
    repeats,
    stillness,
    tasks,
    values,
)
from lerobot_dp_plus.doctor.finding import Finding
from lerobot_dp_plus.doctor.footage import Look
from lerobot_dp_plus.doctor.recording import Recording
from lerobot_dp_plus.doctor.suggestion import plain_config


@dataclass(frozen=True)
class Examination:
    """One thing that is looked at.

    Args:
        name: as its findings have it.
        find: gives them.
        remarked: whether a training says the same by itself (`policies/dataset_remarks.py`).
        cheap: whether it takes no noticeable time.
    """

    name: str
    find: Callable[[Recording], list[Finding]]
    remarked: bool = False
    cheap: bool = True


def _outliers(recording: Recording) -> list[Finding]:
    return outliers.examine(recording, plain_config(recording))


NUMBERS = (
    Examination(episodes.NAME, episodes.examine),
    Examination(values.NAME, values.examine),
    Examination(clock.NAME, clock.examine),
    Examination(repeats.NAME, repeats.examine),
    Examination(stillness.NAME, stillness.examine),
    Examination(delay.NAME, delay.examine),
    Examination(jumps.NAME, jumps.examine),
    Examination(constant.NAME, constant.examine, remarked=True),
    Examination(outliers.NAME, _outliers, remarked=True),
    Examination(ends.NAME, ends.examine),
    Examination(tasks.NAME, tasks.examine, remarked=True),
    Examination(duplicates.NAME, duplicates.examine),
    Examination(ambiguity.NAME, ambiguity.examine, cheap=False),
)


def examined(recording: Recording, examinations: tuple[Examination, ...] = NUMBERS) -> list[Finding]:
    """What all of them find. Only the values are looked at where some are no numbers, for the others would stumble."""
    finite = finite_part(recording)
    found = []
    for each in examinations:
        found += each.find(recording if each.name == values.NAME else finite)
    return found


def watched(recording: Recording, looks: list[Look]) -> list[Finding]:
    """What the pictures tell."""
    return [*cameras.examine(recording, looks), *exposure.examine(recording, looks)]


def finite_part(recording: Recording) -> Recording:
    """The recording with values that are no numbers replaced by those before them, in the same column."""
    mended = {}
    for key, column in recording.columns.items():
        bad = ~np.isfinite(column)
        if not bad.any():
            continue
        last = np.where(bad, 0, np.arange(len(column))[:, None])
        mended[key] = np.nan_to_num(np.take_along_axis(column, np.maximum.accumulate(last, 0), 0), posinf=0, neginf=0)
    return replace(recording, columns={**recording.columns, **mended}) if mended else recording
