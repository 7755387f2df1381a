"""Episodes of PushT played side by side by one policy, with somebody watching after every step."""

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from lerobot_dp_plus.evaluation.scenes import make_pusht, obs_type_of
from lerobot_dp_plus.policies.acting import Loaded

#: (the step, which episodes are running, (B,) bool); called after the policy has decided, before its action is executed.
Watch = Callable[[int, np.ndarray], None]
#: (the step, the environments, which episodes are running) -> numbers of the environments it has changed.
Interfere = Callable[[int, Sequence[gym.Env], np.ndarray], Sequence[int]]
#: Episodes that share a batch.
TOGETHER = 20
STEPS = 300


def play(
    loaded: Loaded,
    seeds: Sequence[int],
    watch: Watch,
    interfere: Interfere | None = None,
    over: np.ndarray | None = None,
) -> list[bool]:
    """Whether each episode succeeded. Episodes that have ended stay in the batch with their last observation.

    Episode i starts from environment seed `seeds[i]`. `interfere` may change environments before the policy looks. Episodes
    that somebody marks in `over` (B,) are not played on.
    """
    environments = [make_pusht(obs_type_of(loaded)) for _ in seeds]
    observations = [env.reset(seed=int(seed))[0] for env, seed in zip(environments, seeds, strict=True)]
    running, succeeded = np.ones(len(seeds), bool), [False] * len(seeds)
    loaded.policy.reset()
    for step in range(STEPS):
        for index in interfere(step, environments, running) if interfere else ():
            observations[index] = environments[index].unwrapped.get_obs()  # type: ignore[attr-defined]
        batch: dict[str, Any] = {key: np.stack([each[key] for each in observations]) for key in observations[0]}
        actions = loaded.act(batch)
        watch(step, running)
        if over is not None:
            running &= ~over
        for index in np.flatnonzero(running):
            observations[index], _, succeeded[index], truncated, _ = environments[index].step(actions[index])
            running[index] = not (succeeded[index] or truncated)
        if not running.any():
            break
    for env in environments:
        env.close()
    return succeeded


def in_batches(seeds: Sequence[int]) -> list[Sequence[int]]:
    """The seeds, `TOGETHER` at a time."""
    return [seeds[start : start + TOGETHER] for start in range(0, len(seeds), TOGETHER)]
