"""How long one chunk takes, from a gym observation in to actions out."""

import time
from dataclasses import dataclass

import numpy as np

from lerobot_dp_plus.evaluation.checkpoint import Checkpoint, Observation


@dataclass(frozen=True)
class Latency:
    """Milliseconds per chunk at batch 1: median, percentiles, and over how many repeats."""

    median_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    repeats: int


def measure_latency(checkpoint: Checkpoint, observation: Observation, repeats: int = 50, warm_up: int = 5) -> Latency:
    """Times the whole way: numpy observation, processors, sampling, processors, numpy action.

    A reset before every repeat (untimed) makes each call compute exactly one chunk; copying the action to numpy
    waits for the device.

    Raises:
        ValueError: `repeats` is below 1.
    """
    if repeats < 1:
        raise ValueError(f"repeats={repeats}: expected at least 1.")
    seconds = []
    for _ in range(warm_up + repeats):
        checkpoint.policy.reset()
        start = time.perf_counter()
        checkpoint.act(observation)
        seconds.append(time.perf_counter() - start)
    milliseconds = 1000 * np.asarray(seconds[warm_up:])
    p50, p90, p95, p99 = (float(each) for each in np.percentile(milliseconds, (50, 90, 95, 99)))
    return Latency(p50, p90, p95, p99, repeats)
