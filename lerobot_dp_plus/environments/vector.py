"""Vectors of our environments, as LeRobot's scripts want them."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
from lerobot.envs.utils import NEW_ROLLOUT_OPTION, FreezeAfterEpisodeEnd
from lerobot.utils.constants import ACTION, OBS_ENV_STATE, OBS_STATE

#: LeRobot's names for what an environment takes and shows, pictures excepted.
NAMES = {ACTION: ACTION, "agent_pos": OBS_STATE, "environment_state": OBS_ENV_STATE}


class Finished(FreezeAfterEpisodeEnd):
    """LeRobot's wrapper for episodes that are over while others of the vector go on: they cost nothing any more.

    LeRobot's thaws only for its own roll-out. This one thaws for anybody who resets: with a seed, or without one when
    the vector's own reset, which directly follows a step, has been already.
    """

    _reset_since_step = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        if seed is not None or self._reset_since_step:
            options = {**(options or {}), NEW_ROLLOUT_OPTION: True}
        self._reset_since_step = True
        return super().reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict]:
        self._reset_since_step = False
        return super().step(action)


def vector_of(
    make: Callable[[], gym.Env], episode_length: int, n_envs: int, use_async_envs: bool = False
) -> gym.vector.SyncVectorEnv | gym.vector.AsyncVectorEnv:
    """`n_envs` environments, each made by `make` and cut after `episode_length` steps.

    A finished episode costs nothing while the others go on. `make` must not use gymnasium's registry: a process of an
    asynchronous vector has none of ours.
    """

    def make_one() -> gym.Env:
        return Finished(gym.wrappers.TimeLimit(make(), episode_length))

    functions = [make_one] * n_envs
    mode = gym.vector.AutoresetMode.SAME_STEP
    if use_async_envs and n_envs > 1:
        return gym.vector.AsyncVectorEnv(functions, autoreset_mode=mode, context="forkserver")
    return gym.vector.SyncVectorEnv(functions, autoreset_mode=mode)
