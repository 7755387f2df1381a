"""Alarms in the runs of an evaluation: `dp-plus evaluate --alarms DIR`, DIR holding what `dp-plus calibrate` wrote.

LeRobot's eval does not tell when an episode has ended, and what follows it is no run of the policy. So the runs are played
once more, from the same seeds, beside each other, with somebody watching after every step.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lerobot_dp_plus.evaluation.watched_runs import in_batches, play
from lerobot_dp_plus.hub.files import sha256
from lerobot_dp_plus.hub.intervals import wilson_percent
from lerobot_dp_plus.policies.acting import Loaded
from lerobot_dp_plus.surprise import FILE, Calibration, Monitor


def calibration_of(folder: Path, weights_sha256: str) -> tuple[Calibration, str]:
    """The calibration in `folder` for these weights, and the digest of its file.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is not what `dp-plus calibrate` writes, or was calibrated on other weights.
    """
    found = Calibration.load(folder)
    of = found.about.get("weights_sha256", weights_sha256)
    if of != weights_sha256:
        raise ValueError(
            f"alarms = {folder}: it was calibrated on the weights {of[:12]}…, and these are {weights_sha256[:12]}…; run dp-plus "
            "calibrate on this checkpoint"
        )
    return found, sha256(folder / FILE)


def alarms_in_runs(loaded: Loaded, calibration: Calibration, seeds: Sequence[int]) -> dict[str, Any]:
    """What alarmed in a run from each of the seeds, as it is written into a report.

    `episodes` has for each run its seed, success, how many of its steps alarmed, the first of these, from 0, and what was
    above its threshold in any of them. `runs` counts those with an alarm.

    Raises:
        ValueError: the policy acts by other settings than were calibrated; by name.
    """
    episodes: list[dict[str, Any]] = []
    for batch in in_batches(seeds):
        monitor = Monitor(calibration.scorer, calibration.usual, calibration, calibration.candidates)
        told: list[dict[str, list[int]]] = [{} for _ in batch]

        def watch(step: int, running: np.ndarray, monitor: Monitor = monitor, told: list[Any] = told) -> None:
            for name, above in monitor.see(loaded.policy).above.items():
                for index in np.flatnonzero(running & above.numpy()):
                    told[index].setdefault(name, []).append(step)

        succeeded = play(loaded, batch, watch)
        for seed, success, signals in zip(batch, succeeded, told, strict=True):
            steps = sorted({step for each in signals.values() for step in each})
            episodes.append(
                {
                    "seed": int(seed),
                    "success": bool(success),
                    "alarms": len(steps),
                    "first_step": steps[0] if steps else None,
                    "signals": sorted(signals),
                }
            )
    runs = sum(each["alarms"] > 0 for each in episodes)
    return {
        "scorer": calibration.scorer,
        "alpha": calibration.alpha,
        "per": calibration.per,
        "thresholds": {name: getattr(calibration, name) for name in ("surprise", "strangeness")},
        "runs": runs,
        "interval_percent": list(wilson_percent(runs, len(episodes))),
        "episodes": episodes,
    }
