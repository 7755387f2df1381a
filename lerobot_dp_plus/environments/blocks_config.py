"""`--env.type=blocks`: the options of the table with three things, and how LeRobot makes it."""

from dataclasses import dataclass
from typing import ClassVar

import gymnasium as gym
from lerobot.envs.configs import EnvConfig

from lerobot_dp_plus.environments.blocks import FPS, OBJECTS, PLACE, check_options
from lerobot_dp_plus.environments.told_config import ToldConfig
from lerobot_dp_plus.environments.vector import vector_of


@EnvConfig.register_subclass("blocks")
@dataclass
class BlocksConfig(ToldConfig):
    """Options of `Blocks`.

    Raises:
        ValueError: an option is illegal; the message names it, its value and what is legal.
    """

    rate: ClassVar[int] = FPS
    width: ClassVar[int] = 3
    places: ClassVar[int] = OBJECTS * PLACE

    task: str | None = "bring"
    fps: int = FPS
    episode_length: int = 60

    def check(self) -> None:
        if self.task != "bring":
            raise ValueError(f"env.task={self.task!r}: legal is bring; env.instruction says which sentences are said")
        check_options(self.obs_type, self.instruction, self.observation_size)

    def create_envs(
        self, n_envs: int, use_async_envs: bool = False
    ) -> dict[str, dict[int, gym.vector.SyncVectorEnv | gym.vector.AsyncVectorEnv]]:
        """{"blocks": {0: vector environment}}; a finished episode costs nothing while the others go on."""

        def make() -> gym.Env:
            from lerobot_dp_plus.environments.blocks import Blocks

            return Blocks(**self.gym_kwargs)

        return {self.type: {0: vector_of(make, self.episode_length, n_envs, use_async_envs)}}
