"""A clean recording of an arm with six joints, made of arrays, and ways to spoil it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lerobot_dp_plus.doctor.recording import Recording

FPS = 30
JOINTS = ("shoulder_pan.pos", "shoulder_lift.pos", "elbow_flex.pos", "wrist_flex.pos", "wrist_roll.pos", "gripper.pos")
STATE, ACTION = "observation.state", "action"


def clean(episodes: int = 24, seed: int = 0, delay: int = 1, **fields) -> Recording:
    """Smooth motion in which the state is where the action was `delay` steps before, with a little noise."""
    rng = np.random.default_rng(seed)
    states, actions, lengths = [], [], []
    for _ in range(episodes):
        length = int(rng.integers(150, 210))
        path = _path(rng, length + 40)
        states.append(path[20 - delay : 20 - delay + length] + rng.normal(size=(length, 6)) * 0.01)
        actions.append(path[20 : 20 + length])
        lengths.append(length)
    stops = np.cumsum(lengths)
    made = Recording(
        "made/up",
        FPS,
        np.arange(episodes),
        stops - lengths,
        stops,
        {STATE: np.concatenate(states), ACTION: np.concatenate(actions)},
        {STATE: JOINTS, ACTION: JOINTS},
        np.concatenate([np.arange(length) / FPS for length in lengths]),
        {"put the cube in the bowl": list(range(episodes))},
    )
    return replace(made, **fields)


def _path(rng: np.random.Generator, length: int) -> np.ndarray:
    """(length, 6): three slow waves and a drift a joint."""
    time = np.arange(length)[:, None] / FPS
    path = rng.uniform(-40, 40, 6) * (1 + time / 6)
    for order, rate in enumerate((0.25, 0.5, 0.9)):
        path = path + rng.normal(size=6) * 20 / (order + 1) * np.sin(2 * np.pi * (rate * time + rng.uniform(size=6)))
    return path


def changed(recording: Recording, key: str, change: Callable[[np.ndarray], None]) -> Recording:
    """The recording with a column changed in place of a copy."""
    values = recording.columns[key].copy()
    change(values)
    return replace(recording, columns={**recording.columns, key: values})


def rebuilt(recording: Recording, parts: dict[int, np.ndarray]) -> Recording:
    """The recording whose episodes are made of the rows given for them, by position; the others stay."""
    rows = [
        parts.get(position, np.arange(start, stop))
        for position, (start, stop) in enumerate(zip(recording.starts, recording.stops, strict=True))
    ]
    lengths = np.array([len(each) for each in rows])
    stops, every = np.cumsum(lengths), np.concatenate(rows)
    return replace(
        recording,
        starts=stops - lengths,
        stops=stops,
        columns={key: values[every] for key, values in recording.columns.items()},
        timestamps=np.concatenate([np.arange(length) / recording.fps for length in lengths]),
    )
