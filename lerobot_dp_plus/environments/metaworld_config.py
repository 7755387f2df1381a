"""`--env.type=metaworld_lite`: the options of MetaWorld with cheap pictures, and how LeRobot makes it."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import gymnasium as gym
from lerobot.envs.configs import EnvConfig

from lerobot_dp_plus.environments.metaworld_lite import FPS, MetaworldLite, check_options
from lerobot_dp_plus.environments.metaworld_tasks import KINDS, groups_of
from lerobot_dp_plus.environments.told_config import ToldConfig
from lerobot_dp_plus.environments.vector import vector_of


@EnvConfig.register_subclass("metaworld_lite")
@dataclass
class MetaworldLiteConfig(ToldConfig):
    """Options of `MetaworldLite`; field for field LeRobot's `metaworld` where both have them. Needs the `metaworld` extra.

    `task` is a task, several with commas between, `mt10`, `mt50`, or `easy`, `medium`, `hard`, `very_hard`.

    Raises:
        ValueError: an option is illegal; the message names it, its value and what is legal.
    """

    environment: ClassVar[type[MetaworldLite]] = MetaworldLite

    task: str | None = "drawer-open-v3"
    fps: int = FPS
    episode_length: int = 400
    instruction: str = "stock"
    observation_size: int = 96
    camera: str = "corner2"

    def check(self) -> None:
        groups_of(self.task or "")
        if self.instruction not in KINDS:
            raise ValueError(f"instruction={self.instruction!r}: legal are {', '.join(KINDS)}")
        check_options(self.obs_type, self.camera, self.observation_size)

    @property
    def gym_kwargs(self) -> dict:
        return {**super().gym_kwargs, "camera": self.camera}

    def create_envs(
        self, n_envs: int, use_async_envs: bool = False
    ) -> dict[str, dict[int, gym.vector.SyncVectorEnv | gym.vector.AsyncVectorEnv]]:
        """{group: {number of the task in it: vector environment}}; LeRobot reports success by group and task."""
        length, kwargs = self.episode_length, self.gym_kwargs
        return {
            group: {
                number: vector_of(partial(MetaworldLite, task, **kwargs), length, n_envs, use_async_envs)
                for number, task in enumerate(tasks)
            }
            for group, tasks in groups_of(self.task or "").items()
        }
