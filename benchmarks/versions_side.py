"""One side of `benchmarks.versions`: answers the name of a task with the processor seconds that it took.

It runs in the checkout that it measures, and imports nothing of `benchmarks`, which may be another there.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

POLICIES = ("pusht_state", "pusht_pixels")
BATCH = 64
#: Calls in a turn: chunks, and updates of either policy.
CHUNKS, UPDATES = 10, {"pusht_state": 4, "pusht_pixels": 1}


def tasks() -> dict[str, Callable[[], None]]:
    """What is timed, by name."""
    from lerobot_dp_plus import load_policy

    found: dict[str, Callable[[], None]] = {}
    for name in POLICIES:
        found[f"{name}, a chunk"] = _chunk(load_policy(Path("hub_cards") / name).policy)
        found[f"{name}, an update"] = _update(load_policy(Path("hub_cards") / name).policy, UPDATES[name])
    return found


def _random(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def _chunk(policy: Any) -> Callable[[], None]:
    config = policy.config
    window = {key: _random((1, config.n_obs_steps, *shape)) for key, shape in config.observed_features.items()}

    def run() -> None:
        for _ in range(CHUNKS):
            policy.reset()
            policy.predict_action_chunk(window)

    return run


def _update(policy: Any, count: int) -> Callable[[], None]:
    config = policy.train().config
    batch = {
        key: _random((BATCH, len(config.windows.observations) if len(shape) == 1 else 1, *shape))
        for key, shape in config.training_features.items()
    }
    batch["action"] = _random((BATCH, len(config.windows.actions), *config.action_feature.shape))
    optimizer = torch.optim.AdamW(policy.get_optim_params(), lr=1e-4)

    def run() -> None:
        for _ in range(count):
            policy(batch)[0].backward()
            optimizer.step()
            optimizer.zero_grad()
            policy.update()

    return run


def serve() -> None:
    """Answer each line, the name of a task, with the processor seconds it took."""
    torch.set_num_threads(1)
    known = tasks()
    print(json.dumps(sorted(known)), flush=True)
    for line in sys.stdin:
        begun = time.process_time()
        known[json.loads(line)]()
        print(json.dumps(time.process_time() - begun), flush=True)


if __name__ == "__main__":
    serve()
