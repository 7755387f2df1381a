"""Is this still what the policy was trained for? Signals for every step, each with a stated rate of false alarms.

A policy is as sure of itself on nonsense as on what it knows, so the likelihood of its own chunk tells nothing. Two
things do: what was planned or expected before, judged under the new observation (surprise), and the distance of the
observation from what is usual (strangeness).

| signal | equation | needs | file |
|---|---|---|---|
| surprise `next_state` | RMS of o_t − ô_t, ô_t what the dynamics model said one step before | dynamics | `expectation.py` |
| surprise `expectation` | the same, ô_t what it said when the plan before was made | dynamics | `expectation.py` |
| surprise `distance` | min_n RMS of a⁽ⁿ⁾ − tail over the steps that both plan | two candidates | `distance.py` |
| strangeness | (o − μ)ᵀ Σ⁻¹ (o − μ) / D | states | `strangeness.py` |
| alarm | a signal above the ⌈(m+1)(1−α)⌉-th of m calibration scores | runs without disturbance | `conformal.py` |

`monitor.py` puts them around a policy, `calibration.py` keeps what was calibrated beside its checkpoint. A further scorer is
a function of `Evidence` in the table `SCORERS`.
"""

from lerobot_dp_plus.surprise.calibration import FILE, Calibration, Trace
from lerobot_dp_plus.surprise.conformal import needed, threshold
from lerobot_dp_plus.surprise.distance import distance
from lerobot_dp_plus.surprise.evidence import Evidence, Forecast
from lerobot_dp_plus.surprise.expectation import expectation, next_state
from lerobot_dp_plus.surprise.monitor import NEXT_STATE, SCORERS, Monitor, Signal
from lerobot_dp_plus.surprise.strangeness import Usual, side_by_side

__all__ = [
    "FILE",
    "NEXT_STATE",
    "SCORERS",
    "Calibration",
    "Evidence",
    "Forecast",
    "Monitor",
    "Signal",
    "Trace",
    "Usual",
    "distance",
    "expectation",
    "needed",
    "next_state",
    "side_by_side",
    "threshold",
]
