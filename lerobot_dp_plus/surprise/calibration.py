"""What is calibrated: thresholds, for which rate, on what; and its file beside a checkpoint."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from lerobot_dp_plus.surprise.conformal import threshold
from lerobot_dp_plus.surprise.strangeness import Usual

#: The name of the file.
FILE = "surprise.json"
#: What the rate of false alarms counts.
RUN, STEP = "run", "step"


class Trace(NamedTuple):
    """The signals of one run; a list is empty where there was no such signal."""

    surprise: list[float]
    strangeness: list[float]


@dataclass(frozen=True)
class Calibration:
    """Thresholds whose alarm is false in at most `alpha` of the runs, or steps, that are like those of the calibration.

    Args:
        scorer: the name of the surprise.
        alpha: the rate for the alarm; each of its signals has an equal share of it.
        per: `run`: the rate counts runs in which anything alarmed. `step`: it counts steps, which depend on each other, so
            that for them it is no promise.
        surprise, strangeness: thresholds; None if there is no such signal.
        candidates: how many the monitor draws if the policy draws fewer; None for none.
        count: m, how many runs, or steps of the signal that has fewer.
        usual: what strangeness is measured against.
        settings: how the policy acted; it must act alike where the thresholds are used.
        about: what it was calibrated on, for the reader.
    """

    scorer: str
    alpha: float
    per: str
    surprise: float | None
    strangeness: float | None
    count: int
    candidates: int | None = None
    usual: Usual | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, scorer: str, traces: Sequence[Trace], alpha: float, per: str = RUN, **others: Any) -> "Calibration":
        """Thresholds from the signals of runs in which nothing was wrong. `others` are further fields.

        The share of alpha that each signal has makes the sum of both at most alpha (Bonferroni).

        Raises:
            ValueError: an unknown `per`, no signal in any run, or as `threshold`.
        """
        if per not in (RUN, STEP):
            raise ValueError(f"per = {per!r}: legal are {RUN!r} and {STEP!r}")
        scores = {}
        for name in Trace._fields:
            told: list[list[float]] = [getattr(trace, name) for trace in traces]
            if any(told):
                # A run that ended before its first signal cannot have alarmed; it counts as the lowest.
                lowest = min(min(values) for values in told if values)
                scores[name] = (
                    [max(values, default=lowest) for values in told]
                    if per == RUN
                    else [each for values in told for each in values]
                )
        if not scores:
            raise ValueError(f"traces: in {len(traces)} runs there is neither surprise nor strangeness")
        found = {name: threshold(values, alpha / len(scores)) for name, values in scores.items()}
        return cls(
            scorer,
            alpha,
            per,
            found.get("surprise"),
            found.get("strangeness"),
            min(map(len, scores.values())),
            **others,
        )

    def check(self, settings: Mapping[str, Any]) -> None:
        """Raise a ValueError, naming them, if a policy acts by other settings than it was calibrated with."""
        differing = [name for name in self.settings if settings.get(name) != self.settings[name]]
        if differing:
            said = ", ".join(
                f"{name} = {settings.get(name)!r} (calibrated {self.settings[name]!r})" for name in differing
            )
            raise ValueError(f"{said}: thresholds hold for the settings they were calibrated with; calibrate again")

    def save(self, folder: Path) -> Path:
        """Write `surprise.json` into a checkpoint's folder, or one of its own, whole or not at all; returns the file."""
        stored = {name: getattr(self, name) for name in self.__dataclass_fields__} | {"usual": None}
        if self.usual is not None:
            stored["usual"] = self.usual.to_json()
        file = folder / FILE
        folder.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(FILE + ".tmp")
        temporary.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, file)
        return file

    @classmethod
    def load(cls, folder: Path) -> "Calibration":
        """Read it back.

        Raises:
            FileNotFoundError: there is none.
            ValueError: the file is not what `save` writes.
        """
        file = folder / FILE
        if not file.is_file():
            raise FileNotFoundError(f"{folder} holds no {FILE}; `dp-plus calibrate {folder}` writes it")
        try:
            stored = json.loads(file.read_text(encoding="utf-8"))
            usual = stored.pop("usual")
            return cls(**stored, usual=None if usual is None else Usual.from_json(usual))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{file} is not a calibration: {error}") from error
