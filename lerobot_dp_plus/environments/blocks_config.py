"""`--env.type=blocks`: the options of the table with three things."""

from dataclasses import dataclass
from typing import ClassVar

from lerobot.envs.configs import EnvConfig

from lerobot_dp_plus.environments.blocks import FPS, Blocks
from lerobot_dp_plus.environments.told_config import ToldConfig


@EnvConfig.register_subclass("blocks")
@dataclass
class BlocksConfig(ToldConfig):
    """Options of `Blocks`."""

    environment: ClassVar[type[Blocks]] = Blocks

    fps: int = FPS
    episode_length: int = 60
