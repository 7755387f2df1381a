"""The file against the policy: the same actions, and the time both take."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lerobot_dp_plus.exporting.step import NOISE, Step
from lerobot_dp_plus.exporting.writing import MODEL
from lerobot_dp_plus.policies.acting import Loaded

#: Calls of each whose time counts, after as many that warm up as there are observations.
CALLS = 20


class Compared(NamedTuple):
    """The largest difference of normalised actions, and milliseconds a chunk, the median."""

    difference: float
    ours_ms: float
    file_ms: float


@torch.no_grad()
def compare(loaded: Loaded, step: Step, folder: Path, observations: int) -> Compared:
    """The file in a folder against the policy on random observations, with as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(folder / MODEL, options, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(1)
    given = [step.random(generator) for _ in range(observations)]

    def ours(inputs: list[Tensor]) -> np.ndarray:
        return of_policy(loaded, step, inputs).numpy()

    def filed(inputs: list[Tensor]) -> np.ndarray:
        return session.run(None, {key: each.numpy() for key, each in zip(step.shapes, inputs, strict=True)})[0]

    scale = _scale(loaded, step)
    worst = max(float((np.abs(ours(each) - filed(each)) / scale).max()) for each in given)
    spent: dict[Callable[..., np.ndarray], list[float]] = {ours: [], filed: []}
    for call in range(CALLS):
        for one, times in spent.items():
            began = time.perf_counter()
            one(given[call % observations])
            times.append(1000 * (time.perf_counter() - began))
    return Compared(worst, float(np.median(spent[ours])), float(np.median(spent[filed])))


def of_policy(loaded: Loaded, step: Step, inputs: list[Tensor]) -> Tensor:
    """What the policy itself does, as the first chunk of an episode, (1, L, A)."""
    raw = dict(zip(step.shapes, inputs, strict=True))
    noise = step.config.noise_scale * raw.pop(NOISE)
    loaded.policy.reset()
    chunk = loaded.policy.predict_action_chunk(loaded.preprocess(raw), noise=noise)
    return loaded.postprocess(chunk[0])[None]


def _scale(loaded: Loaded, step: Step) -> np.ndarray:
    """What 1 of each normalised action is in the data's units, (A,); 1 where nothing moves."""
    width = step.shapes[NOISE][-1]
    ends = (loaded.postprocess(torch.full((1, width), end)).numpy()[0] for end in (0.0, 1.0))
    scale = np.abs(np.subtract(*ends))
    return np.where(scale == 0, 1.0, scale)
