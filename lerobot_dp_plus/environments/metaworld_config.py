"""`--env.type=metaworld_lite`: the options of MetaWorld with cheap pictures, and how LeRobot makes it."""

from dataclasses import dataclass, field
from functools import partial

import gymnasium as gym
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.envs.configs import EnvConfig
from lerobot.utils.constants import ACTION, OBS_ENV_STATE, OBS_IMAGE, OBS_STATE

from lerobot_dp_plus.environments.metaworld_lite import FPS, THINGS, check_options
from lerobot_dp_plus.environments.metaworld_tasks import KINDS, groups_of
from lerobot_dp_plus.environments.vector import vector_of


@EnvConfig.register_subclass("metaworld_lite")
@dataclass
class MetaworldLiteConfig(EnvConfig):
    """Options of `MetaworldLite`; field for field LeRobot's `metaworld` where both have them. Needs the `metaworld` extra.

    `task` is a task, several with commas between, `mt10`, `mt50`, or `easy`, `medium`, `hard`, `very_hard`.

    Raises:
        ValueError: an option is illegal; the message names it, its value and what is legal.
    """

    task: str | None = "drawer-open-v3"
    fps: int = FPS
    episode_length: int = 400
    obs_type: str = "pixels_agent_pos"
    instruction: str = "stock"
    observation_size: int = 96
    camera: str = "corner2"
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
        groups_of(self.task or "")
        if self.fps != FPS:
            raise ValueError(f"env.fps={self.fps}: the arm is controlled at {FPS}")
        if self.episode_length < 1:
            raise ValueError(f"env.episode_length={self.episode_length}: legal are integers from 1")
        if self.instruction not in KINDS:
            raise ValueError(f"instruction={self.instruction!r}: legal are {', '.join(KINDS)}")
        check_options(self.obs_type, self.camera, self.observation_size)
        self.features[ACTION] = PolicyFeature(type=FeatureType.ACTION, shape=(4,))
        self.features["agent_pos"] = PolicyFeature(type=FeatureType.STATE, shape=(4,))
        if self.obs_type == "pixels_agent_pos":
            shape = (self.observation_size, self.observation_size, 3)
            self.features["pixels"] = PolicyFeature(type=FeatureType.VISUAL, shape=shape)
        else:
            self.features["environment_state"] = PolicyFeature(type=FeatureType.ENV, shape=(THINGS,))

    @property
    def gym_kwargs(self) -> dict:
        names = ("obs_type", "instruction", "observation_size", "camera", "render_mode")
        return {name: getattr(self, name) for name in names}

    def create_envs(
        self, n_envs: int, use_async_envs: bool = False
    ) -> dict[str, dict[int, gym.vector.SyncVectorEnv | gym.vector.AsyncVectorEnv]]:
        """{group: {number of the task in it: vector environment}}; LeRobot reports success by group and task."""
        length, kwargs = self.episode_length, self.gym_kwargs
        return {
            group: {
                number: vector_of(partial(_make, task, **kwargs), length, n_envs, use_async_envs)
                for number, task in enumerate(tasks)
            }
            for group, tasks in groups_of(self.task or "").items()
        }


def _make(task: str, **options: object) -> gym.Env:
    from lerobot_dp_plus.environments.metaworld_lite import MetaworldLite

    return MetaworldLite(task, **options)  # type: ignore[arg-type]
