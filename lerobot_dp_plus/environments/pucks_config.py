"""`--env.type=three_pucks`: the options of three pucks before an arm, and how LeRobot makes them."""

from dataclasses import dataclass, field

import gymnasium as gym
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.envs.configs import EnvConfig
from lerobot.utils.constants import ACTION, OBS_ENV_STATE, OBS_IMAGE, OBS_STATE

from lerobot_dp_plus.environments.pucks import FPS, check_options
from lerobot_dp_plus.environments.vector import vector_of


@EnvConfig.register_subclass("three_pucks")
@dataclass
class ThreePucksConfig(EnvConfig):
    """Options of `ThreePucks`; needs the `metaworld` extra.

    Raises:
        ValueError: an option is illegal; the message names it, its value and what is legal.
    """

    task: str | None = "bring"
    fps: int = FPS
    episode_length: int = 100
    obs_type: str = "pixels_agent_pos"
    instruction: str = "named"
    observation_size: int = 64
    render_mode: str = "rgb_array"
    features: dict[str, PolicyFeature] = field(default_factory=dict)
    features_map: dict[str, str] = field(
        default_factory=lambda: {
            ACTION: ACTION,
            "agent_pos": OBS_STATE,
            "environment_state": OBS_ENV_STATE,
            "pixels": OBS_IMAGE,
        }
    )

    def __post_init__(self) -> None:
        if self.task != "bring":
            raise ValueError(f"env.task={self.task!r}: legal is bring; env.instruction says which sentences are said")
        if self.fps != FPS:
            raise ValueError(f"env.fps={self.fps}: the arm is controlled at {FPS}")
        if self.episode_length < 1:
            raise ValueError(f"env.episode_length={self.episode_length}: legal are integers from 1")
        check_options(self.obs_type, self.instruction, self.observation_size)
        self.features[ACTION] = PolicyFeature(type=FeatureType.ACTION, shape=(4,))
        self.features["agent_pos"] = PolicyFeature(type=FeatureType.STATE, shape=(4,))
        if self.obs_type == "pixels_agent_pos":
            shape = (self.observation_size, self.observation_size, 3)
            self.features["pixels"] = PolicyFeature(type=FeatureType.VISUAL, shape=shape)
        else:
            self.features["environment_state"] = PolicyFeature(type=FeatureType.ENV, shape=(12,))

    @property
    def gym_kwargs(self) -> dict:
        names = ("obs_type", "instruction", "observation_size", "render_mode")
        return {name: getattr(self, name) for name in names}

    def create_envs(
        self, n_envs: int, use_async_envs: bool = False
    ) -> dict[str, dict[int, gym.vector.SyncVectorEnv | gym.vector.AsyncVectorEnv]]:
        """{"three_pucks": {0: vector environment}}; a finished episode costs nothing while the others go on."""

        def make() -> gym.Env:
            from lerobot_dp_plus.environments.pucks import ThreePucks

            return ThreePucks(**self.gym_kwargs)

        return {self.type: {0: vector_of(make, self.episode_length, n_envs, use_async_envs)}}
