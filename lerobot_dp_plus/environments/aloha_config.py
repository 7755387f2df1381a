"""`--env.type=aloha_lite`: the options of the fast ALOHA environment, and how LeRobot makes it."""

from dataclasses import dataclass, field

import gymnasium as gym
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.envs.configs import EnvConfig
from lerobot.utils.constants import ACTION, OBS_IMAGES

from lerobot_dp_plus.environments.aloha_lite import POSE, check_options, check_visualization
from lerobot_dp_plus.environments.aloha_physics import FPS, JOINTS, OBJECT_NAMES
from lerobot_dp_plus.environments.vector import NAMES, vector_of

#: LeRobot's name of a task -> gym_aloha's.
TASKS = {"AlohaTransferCube-v0": "transfer_cube", "AlohaInsertion-v0": "insertion"}


@EnvConfig.register_subclass("aloha_lite")
@dataclass
class AlohaLiteConfig(EnvConfig):
    """Options of `AlohaLite`; field for field LeRobot's `aloha` where both have them.

    Raises:
        ValueError: an option is illegal; the message names it, its value and what is legal.
    """

    task: str | None = "AlohaTransferCube-v0"
    fps: int = FPS
    episode_length: int = 400
    obs_type: str = "pixels_agent_pos"
    observation_height: int = 120
    observation_width: int = 160
    visualization_height: int | None = None
    visualization_width: int | None = None
    look: str = "lite"
    success: str = "first_contact"
    render_mode: str = "rgb_array"
    features: dict[str, PolicyFeature] = field(default_factory=dict)
    features_map: dict[str, str] = field(default_factory=lambda: NAMES | {"pixels/top": f"{OBS_IMAGES}.top"})

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ValueError(f"env.task={self.task!r}: legal are {', '.join(TASKS)}")
        if self.fps != FPS:
            raise ValueError(f"env.fps={self.fps}: the simulation is controlled at {FPS}")
        if self.episode_length < 1:
            raise ValueError(f"env.episode_length={self.episode_length}: legal are integers from 1")
        check_options(self.obs_type, self.success, self.observation_height, self.observation_width, self.look)
        check_visualization(self.visualization_height, self.visualization_width, self.look)
        self.features[ACTION] = PolicyFeature(type=FeatureType.ACTION, shape=(JOINTS,))
        self.features["agent_pos"] = PolicyFeature(type=FeatureType.STATE, shape=(JOINTS,))
        if self.obs_type == "pixels_agent_pos":
            shape = (self.observation_height, self.observation_width, 3)
            self.features["pixels/top"] = PolicyFeature(type=FeatureType.VISUAL, shape=shape)
        else:
            objects = len(OBJECT_NAMES[TASKS[self.task]])
            self.features["environment_state"] = PolicyFeature(type=FeatureType.ENV, shape=(POSE * objects,))

    @property
    def gym_kwargs(self) -> dict:
        names = ("obs_type", "look", "success", "render_mode")
        sizes = (f"{what}_{side}" for what in ("observation", "visualization") for side in ("height", "width"))
        return {name: getattr(self, name) for name in (*names, *sizes)}

    def create_envs(
        self, n_envs: int, use_async_envs: bool = False
    ) -> dict[str, dict[int, gym.vector.SyncVectorEnv | gym.vector.AsyncVectorEnv]]:
        """{"aloha_lite": {0: vector environment}}; a finished episode costs nothing while the others go on."""

        def make() -> gym.Env:
            from lerobot_dp_plus.environments.aloha_lite import AlohaLite

            assert self.task is not None
            return AlohaLite(TASKS[self.task], **self.gym_kwargs)

        return {self.type: {0: vector_of(make, self.episode_length, n_envs, use_async_envs)}}
