"""`--env.type=three_pucks`: the options of three pucks before an arm, and how LeRobot makes them."""

from dataclasses import dataclass
from typing import ClassVar

import gymnasium as gym
from lerobot.envs.configs import EnvConfig

from lerobot_dp_plus.environments.pucks import FPS, ThreePucks
from lerobot_dp_plus.environments.told_config import ToldConfig
from lerobot_dp_plus.environments.vector import vector_of


@EnvConfig.register_subclass("three_pucks")
@dataclass
class ThreePucksConfig(ToldConfig):
    """Options of `ThreePucks`; needs the `metaworld` extra.

    Raises:
        ValueError: an option is illegal; the message names it, its value and what is legal.
    """

    rate: ClassVar[int] = FPS
    width: ClassVar[int] = 4
    largest: ClassVar[int] = ThreePucks.largest
    places: ClassVar[int] = 12

    task: str | None = "bring"
    fps: int = FPS

    def create_envs(
        self, n_envs: int, use_async_envs: bool = False
    ) -> dict[str, dict[int, gym.vector.SyncVectorEnv | gym.vector.AsyncVectorEnv]]:
        """{"three_pucks": {0: vector environment}}; a finished episode costs nothing while the others go on."""

        def make() -> gym.Env:
            return ThreePucks(**self.gym_kwargs)

        return {self.type: {0: vector_of(make, self.episode_length, n_envs, use_async_envs)}}
