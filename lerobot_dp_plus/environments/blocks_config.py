"""`--env.type=blocks`: the options of the table with three things, and how LeRobot makes it."""

from dataclasses import dataclass
from typing import ClassVar

import gymnasium as gym
from lerobot.envs.configs import EnvConfig

from lerobot_dp_plus.environments.blocks import FPS, OBJECTS, PLACE, Blocks
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
    largest: ClassVar[int] = Blocks.largest
    places: ClassVar[int] = OBJECTS * PLACE

    task: str | None = "bring"
    fps: int = FPS
    episode_length: int = 60

    def create_envs(
        self, n_envs: int, use_async_envs: bool = False
    ) -> dict[str, dict[int, gym.vector.SyncVectorEnv | gym.vector.AsyncVectorEnv]]:
        """{"blocks": {0: vector environment}}; a finished episode costs nothing while the others go on."""

        def make() -> gym.Env:
            return Blocks(**self.gym_kwargs)

        return {self.type: {0: vector_of(make, self.episode_length, n_envs, use_async_envs)}}
