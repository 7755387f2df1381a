"""What the options of environments have in common in which a sentence says what to do."""

from dataclasses import dataclass, field
from typing import ClassVar

import gymnasium as gym
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.envs.configs import EnvConfig
from lerobot.utils.constants import ACTION, OBS_IMAGE

from lerobot_dp_plus.environments.pictured import Pictured
from lerobot_dp_plus.environments.told import check_told
from lerobot_dp_plus.environments.vector import NAMES, vector_of


@dataclass
class ToldConfig(EnvConfig):
    """Square pictures or the places of things, beside the robot's own state; LeRobot's names for them.

    Raises:
        ValueError: an option is illegal; the message names it, its value and what is legal.
    """

    #: The environment. It says how often a second it is controlled, and what an action and an observation are.
    environment: ClassVar[type[Pictured]]

    task: str | None = "bring"
    episode_length: int = 100
    obs_type: str = "pixels_agent_pos"
    instruction: str = "named"
    observation_size: int = 64
    render_mode: str = "rgb_array"
    features: dict[str, PolicyFeature] = field(default_factory=dict)
    features_map: dict[str, str] = field(default_factory=lambda: NAMES | {"pixels": OBS_IMAGE})

    def __post_init__(self) -> None:
        environment, rate = self.environment, self.environment.metadata["render_fps"]
        if self.fps != rate:
            raise ValueError(f"env.fps={self.fps}: the robot is controlled at {rate}")
        if self.episode_length < 1:
            raise ValueError(f"env.episode_length={self.episode_length}: legal are integers from 1")
        self.check()
        self.features[ACTION] = PolicyFeature(type=FeatureType.ACTION, shape=environment.actions.shape)
        self.features["agent_pos"] = PolicyFeature(type=FeatureType.STATE, shape=environment.state_space.shape)
        if self.obs_type == "pixels_agent_pos":
            shape = (self.observation_size, self.observation_size, 3)
            self.features["pixels"] = PolicyFeature(type=FeatureType.VISUAL, shape=shape)
        else:
            self.features["environment_state"] = PolicyFeature(
                type=FeatureType.ENV, shape=environment.things_space.shape
            )

    def check(self) -> None:
        """Raise a ValueError for options that the environment does not have."""
        if self.task != "bring":
            raise ValueError(f"env.task={self.task!r}: legal is bring; env.instruction says which sentences are said")
        check_told(self.obs_type, self.instruction, self.observation_size, self.environment.largest)

    @property
    def gym_kwargs(self) -> dict:
        names = ("obs_type", "instruction", "observation_size", "render_mode")
        return {name: getattr(self, name) for name in names}

    def create_envs(
        self, n_envs: int, use_async_envs: bool = False
    ) -> dict[str, dict[int, gym.vector.SyncVectorEnv | gym.vector.AsyncVectorEnv]]:
        """{type: {0: vector environment}}; a finished episode costs nothing while the others go on."""

        def make() -> gym.Env:
            return self.environment(**self.gym_kwargs)

        return {self.type: {0: vector_of(make, self.episode_length, n_envs, use_async_envs)}}
