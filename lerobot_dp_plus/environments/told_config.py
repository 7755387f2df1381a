"""What the options of environments have in common in which a sentence says what to do."""

from dataclasses import dataclass, field
from typing import ClassVar

from lerobot.configs import FeatureType, PolicyFeature
from lerobot.envs.configs import EnvConfig
from lerobot.utils.constants import ACTION, OBS_ENV_STATE, OBS_IMAGE, OBS_STATE

from lerobot_dp_plus.environments.told import check_told


@dataclass
class ToldConfig(EnvConfig):
    """Square pictures or the places of things, beside the robot's own state; LeRobot's names for them.

    Raises:
        ValueError: an option is illegal; the message names it, its value and what is legal.
    """

    #: Control steps a second, the largest side of a picture, and the numbers of an action and state and of the places of
    #: things.
    rate: ClassVar[int]
    largest: ClassVar[int]
    width: ClassVar[int]
    places: ClassVar[int]

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
        if self.fps != self.rate:
            raise ValueError(f"env.fps={self.fps}: the robot is controlled at {self.rate}")
        if self.episode_length < 1:
            raise ValueError(f"env.episode_length={self.episode_length}: legal are integers from 1")
        self.check()
        self.features[ACTION] = PolicyFeature(type=FeatureType.ACTION, shape=(self.width,))
        self.features["agent_pos"] = PolicyFeature(type=FeatureType.STATE, shape=(self.width,))
        if self.obs_type == "pixels_agent_pos":
            shape = (self.observation_size, self.observation_size, 3)
            self.features["pixels"] = PolicyFeature(type=FeatureType.VISUAL, shape=shape)
        else:
            self.features["environment_state"] = PolicyFeature(type=FeatureType.ENV, shape=(self.places,))

    def check(self) -> None:
        """Raise a ValueError for options that the environment does not have."""
        if self.task != "bring":
            raise ValueError(f"env.task={self.task!r}: legal is bring; env.instruction says which sentences are said")
        check_told(self.obs_type, self.instruction, self.observation_size, self.largest)

    @property
    def gym_kwargs(self) -> dict:
        names = ("obs_type", "instruction", "observation_size", "render_mode")
        return {name: getattr(self, name) for name in names}
