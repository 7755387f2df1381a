"""How many steps the state comes after the action, by cross-correlation, for every dimension.

    r_d = Σ_t Δa_t · Δs_{t+d}  /  √( Σ_t Δa_t² · Σ_t Δs_{t+d}² )          delay = argmax_d r_d

Δ is the change from one frame to the next. Slow signals resemble themselves at every delay; their changes do not. Where
actions are speeds or offsets rather than places, a_t stands for Δa_t.
"""

from typing import NamedTuple

import numpy as np
from lerobot.utils.constants import ACTION, OBS_STATE

from lerobot_dp_plus.doctor.finding import Finding, Gravity
from lerobot_dp_plus.doctor.recording import Recording
from lerobot_dp_plus.policies.dataset_remarks import spans

NAME = "delay"
#: Seconds within which a delay is looked for; at least so many steps.
FURTHEST, FEWEST = 0.7, 5
#: A correlation of less tells of no delay.
TRUSTED = 0.4
#: Seconds of a delay that is worth knowing, and of one that is grave.
LONG, TOO_LONG = 0.099, 0.299


class Delays(NamedTuple):
    """What the correlation says.

    Args:
        steps: (D,) delay of each pair of dimensions, and (E,) of each episode, in steps; NaN where nothing can be told.
        correlation: (D,) at the delay.
        pairs: which dimension of the action goes with which of the state.
        places: whether actions are places, and not speeds or offsets.
    """

    steps: np.ndarray
    by_episode: np.ndarray
    correlation: np.ndarray
    pairs: list[tuple[int, int]]
    places: bool

    @property
    def median(self) -> float:
        """The delay of most dimensions; NaN where none can be told."""
        known = self.steps[~np.isnan(self.steps)]
        return float(np.median(known)) if len(known) else float("nan")


def examine(recording: Recording) -> list[Finding]:
    """The delay in steps and milliseconds; actions that are copies of the state or come after it; episodes that differ."""
    found = delays(recording)
    if found is None or np.isnan(found.median):
        why = (
            "action and state have no dimensions in common" if found is None else "the state does not follow the action"
        )
        return [Finding(NAME, Gravity.FINE, f"No delay from action to state can be told: {why}.")]
    fps, median = recording.fps, found.median
    told = _by_dimension(recording, found)
    facts = {
        "steps": [None if np.isnan(steps) else int(steps) for steps in found.steps],
        "median": median,
        "milliseconds": 1000 * median / fps,
        "actions": "places" if found.places else "changes",
    }
    said = f"The state follows the action after {_in_time(median, fps)} ({told})."
    if found.places and median == 0 and _copied(recording, found.pairs):
        findings = [
            Finding(
                NAME,
                Gravity.GRAVE,
                "The action is the state of the same frame, in every dimension: a policy learns to stay where it is.",
                "Record what the leader commands, or shift it: the action of a frame is where the robot is to go next.",
                facts,
            )
        ]
    elif median < 0:
        findings = [
            Finding(
                NAME,
                Gravity.GRAVE,
                f"The action comes {_in_time(-median, fps)} after the state that it should cause ({told}): "
                "a policy learns to repeat what has just happened.",
                "Shift the column: the action of a frame is what was commanded at that frame.",
                facts,
            )
        ]
    elif median >= 2 and median / fps >= LONG:
        findings = [
            Finding(
                NAME,
                Gravity.GRAVE if median / fps >= TOO_LONG else Gravity.NOTE,
                said,
                "A policy learns this delay and counts on it: run it at the recorded rate, on a robot and a computer with the "
                f"same delay, and let a chunk be much longer: --policy.horizon of {int(np.ceil(4 * median))} or more.",
                facts,
            )
        ]
    else:
        findings = [Finding(NAME, Gravity.FINE, said, facts=facts)]
    return findings + _unlike(recording, found)


def delays(recording: Recording) -> Delays | None:
    """The delays of a recording; None where action and state do not belong together."""
    pairs = paired(recording)
    if not pairs:
        return None
    left, right = ([pair[side] for pair in pairs] for side in (0, 1))
    change = bounded(recording.steps(OBS_STATE)[:, right])
    options = {
        True: (bounded(recording.steps(ACTION)[:, left]), recording.follows),
        False: (bounded(recording.columns[ACTION][:, left]), np.ones(len(recording), bool)),
    }
    most = furthest(recording)
    found = {}
    for places, (action, known) in options.items():
        lags, by_dim, by_episode = correlations(recording, action, known, change, most)
        found[places] = (lags, by_dim, by_episode, np.nanmax(by_dim, 0, initial=-1.0))
    places = bool(np.median(found[True][3]) >= np.median(found[False][3]) - 0.1)
    lags, by_dim, by_episode, best = found[places]
    steps = np.where(best >= TRUSTED, lags[by_dim.argmax(0)], np.nan)
    each = np.where(by_episode.max(0) >= TRUSTED, lags[by_episode.argmax(0)], np.nan)
    return Delays(steps, each, best, pairs, places)


def furthest(recording: Recording) -> int:
    """Steps within which a delay is looked for: fewer than an episode has."""
    return min(max(FEWEST, round(FURTHEST * recording.fps)), int(recording.lengths.max()) - 1)


def bounded(change: np.ndarray) -> np.ndarray:
    """Changes (N, D) cut off at five times what 99 of 100 are below: one leap would outweigh all motion."""
    most = 5 * np.quantile(np.abs(change), 0.99, axis=0)
    return np.clip(change, -most, most)


def paired(recording: Recording) -> list[tuple[int, int]]:
    """Dimensions of action and state of the same name; in order, where there are as many of both."""
    if recording.action is None or recording.state is None:
        return []
    actions, states = recording.names[ACTION], recording.names[OBS_STATE]
    named = [(actions.index(name), states.index(name)) for name in actions if name in states and not name.isdigit()]
    if named:
        return named
    return [(k, k) for k in range(len(actions))] if len(actions) == len(states) else []


def correlations(
    recording: Recording, action: np.ndarray, known: np.ndarray, change: np.ndarray, most: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Delays (L,) and the correlation at each, for every dimension (L, D) and every episode (L, E)."""
    lags = np.arange(-most, most + 1)
    rows, count = len(recording), len(recording.episodes)
    scale = np.sqrt((change**2).mean(0)) * np.sqrt((action**2).mean(0))
    scale = np.where(scale > 0, scale, np.inf)
    by_dim, by_episode = np.zeros((len(lags), action.shape[1])), np.zeros((len(lags), count))
    for position, lag in enumerate(lags.tolist()):
        before, after = slice(max(0, -lag), rows - max(0, lag)), slice(max(0, lag), rows - max(0, -lag))
        ok = (recording.episode[before] == recording.episode[after]) & known[before] & recording.follows[after]
        x, y = action[before] * ok[:, None], change[after] * ok[:, None]
        product, power = x * y, np.sqrt((x**2).sum(0) * (y**2).sum(0))
        by_dim[position] = product.sum(0) / np.where(power > 0, power, np.inf)
        # Every dimension counts by how much it moves in the whole recording.
        numbers = recording.episode[before]
        sums = [np.bincount(numbers, (each / part).sum(1), count) for each, part in (
            (product, scale), (x**2, np.where(scale < np.inf, (action**2).mean(0), np.inf)),
            (y**2, np.where(scale < np.inf, (change**2).mean(0), np.inf)),
        )]  # fmt: skip
        norm = np.sqrt(sums[1] * sums[2])
        by_episode[position] = sums[0] / np.where(norm > 0, norm, np.inf)
    return lags, by_dim, by_episode


def _by_dimension(recording: Recording, found: Delays) -> str:
    known = [(a, steps) for (a, _), steps in zip(found.pairs, found.steps, strict=True) if not np.isnan(steps)]
    if len({steps for _, steps in known}) == 1:
        return (
            "in every dimension"
            if len(known) == len(found.pairs)
            else f"in {len(known)} of {len(found.pairs)} dimensions"
        )
    return "steps by dimension: " + ", ".join(f"{recording.dimension(ACTION, a)} {steps:.0f}" for a, steps in known)


def _copied(recording: Recording, pairs: list[tuple[int, int]]) -> bool:
    left, right = ([pair[side] for pair in pairs] for side in (0, 1))
    apart = np.abs(recording.columns[ACTION][:, left] - recording.columns[OBS_STATE][:, right]).max(0)
    return bool((apart <= 1e-5 * np.maximum(recording.usual(OBS_STATE)[right], 1e-9)).all())


def _unlike(recording: Recording, found: Delays) -> list[Finding]:
    """Episodes whose delay is another than that of most."""
    away = np.abs(found.by_episode - found.median)
    unlike = (away >= 2) & (away / recording.fps >= 0.06)
    if unlike.sum() < max(2, 0.1 * len(unlike)):
        return []
    other = float(np.median(found.by_episode[unlike]))
    return [
        Finding(
            NAME,
            Gravity.GRAVE,
            f"The delay is not the same everywhere: about {other:.0f} steps in {spans(recording.episodes[unlike].tolist())}, and "
            f"{found.median:.0f} in most.",
            "Two ways to answer were recorded, and the policy cannot see which is meant. Train on one: --dataset.episodes=[…].",
            {"unlike": recording.episodes[unlike].tolist()},
        )
    ]


def _in_time(steps: float, fps: float) -> str:
    return f"{steps:g} step{'' if steps == 1 else 's'} ({1000 * steps / fps:.0f} ms)"
