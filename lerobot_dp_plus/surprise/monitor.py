"""What a user puts around a policy."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from lerobot_dp_plus.surprise.calibration import Calibration
from lerobot_dp_plus.surprise.distance import distance
from lerobot_dp_plus.surprise.evidence import Evidence, Forecast
from lerobot_dp_plus.surprise.expectation import expectation, next_state
from lerobot_dp_plus.surprise.strangeness import Usual, side_by_side

#: The surprise that is told at every step, by a forecast of the step before.
NEXT_STATE = "next_state"
#: The surprises that are told when there is a new chunk, by name.
SCORERS: dict[str, Callable[[Evidence], Tensor | None]] = {"expectation": expectation, "distance": distance}


class Watched(Protocol):
    """A policy that can be watched."""

    @property
    def episode(self) -> Any:
        """Has `replan`, another object for each chunk, None before the first."""

    def evidence(self, candidates: int | None = None) -> Evidence:
        """Of the newest chunk; with at least so many candidates."""

    def forecast(self) -> Forecast | None:
        """Of this step; None without a dynamics model."""

    def observed(self) -> Mapping[str, Tensor]:
        """The states of the newest window by name, in the dataset's units, each (B, T, D)."""

    def settings(self) -> Mapping[str, Any]:
        """How it acts, as far as thresholds depend on it."""


class Signal(NamedTuple):
    """What a step says.

    Args:
        surprise: (B,); None at an episode's first step or chunk, and for a surprise of chunks at a step without a new one.
        strangeness: (B,); None if nothing is known of usual observations.
        alarm: (B,) bool, whether one of them is above its threshold; False without a calibration.
        above: which of them is above its threshold, by name, each (B,) bool; one that this step does not tell is missing.
    """

    surprise: Tensor | None
    strangeness: Tensor | None
    alarm: Tensor
    above: Mapping[str, Tensor] = {}


class Monitor:
    """Watches a policy.

        monitor = Monitor.load(checkpoint)
        while ...:
            action = policy.select_action(observation)
            if monitor.see(policy).alarm.any():
                ...

    Or it calls somebody: `Monitor.load(checkpoint, tell=function)` calls function(signal) at every step with an alarm, whose
    `above` says which signal it is and in which observation of the batch. What the function raises, `see` raises.

    Nothing is drawn for it where the policy chooses among candidates: those are used. It leaves the policy's actions as
    they are, except that candidates drawn for it alone take numbers from torch's random stream.
    """

    def __init__(
        self,
        scorer: str = "distance",
        usual: Usual | None = None,
        calibration: Calibration | None = None,
        candidates: int | None = None,
        tell: Callable[[Signal], object] | None = None,
    ):
        """A surprise by name, what strangeness is measured against, thresholds, and who is told of alarms.

        If the policy draws fewer than `candidates`, those are drawn for the monitor, once a chunk. None takes what there is.

        Raises:
            ValueError: there is no such scorer.
        """
        if scorer not in (NEXT_STATE, *SCORERS):
            raise ValueError(f"scorer = {scorer!r}: legal are {', '.join((NEXT_STATE, *SCORERS))}")
        self.scorer, self.usual, self.calibration, self.candidates = scorer, usual, calibration, candidates
        self.tell = tell
        self._replan: object = None
        self._forecast: tuple[object, Forecast | None] = None, None
        self._checked = calibration is None

    @classmethod
    def load(cls, folder: str | Path, tell: Callable[[Signal], object] | None = None) -> "Monitor":
        """With the calibration that lies beside a checkpoint; raises as `Calibration.load`."""
        found = Calibration.load(Path(folder))
        return cls(found.scorer, found.usual, found, found.candidates, tell)

    @torch.no_grad()
    def see(self, policy: Watched) -> Signal:
        """The signals of this step; to be called after every `select_action`.

        The surprise `next_state` needs every step. Called once a chunk, the others are the same, and strangeness misses what
        happens between: it sees a jump only in the window of two frames.

        Raises:
            ValueError: the policy acts by other settings than the thresholds were calibrated with, by name;
                or there is no chunk yet.
        """
        if not self._checked and self.calibration is not None:
            self.calibration.check(policy.settings())
            self._checked = True
        states = None if self.usual is None else side_by_side(policy.observed())
        strangeness = None if self.usual is None or states is None else self.usual.strangeness(states)
        surprise, replan = None, policy.episode.replan
        if replan is None:
            raise ValueError("there is no chunk yet to tell about; call select_action first")
        if self.scorer == NEXT_STATE:
            surprise = self._next_state(policy)
        elif replan is not self._replan:
            surprise = SCORERS[self.scorer](policy.evidence(self.candidates))
        self._replan = replan
        alarm, above = torch.zeros(len(replan.chosen.chunks), dtype=torch.bool), {}
        for name, value in (("surprise", surprise), ("strangeness", strangeness)):
            limit = getattr(self.calibration, name, None)
            if value is not None and limit is not None:
                above[name] = value.cpu() > limit
                alarm |= above[name]
        signal = Signal(surprise, strangeness, alarm, above)
        if self.tell is not None and bool(alarm.any()):
            self.tell(signal)
        return signal

    def _next_state(self, policy: Watched) -> Tensor | None:
        found, (episode, before) = policy.forecast(), self._forecast
        self._forecast = policy.episode, found
        if found is None or before is None or episode is not policy.episode or len(before.next) != len(found.now):
            return None
        return next_state(before, found.now)
