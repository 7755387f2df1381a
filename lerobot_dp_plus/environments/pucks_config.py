"""`--env.type=three_pucks`: the options of three pucks before an arm."""

from dataclasses import dataclass
from typing import ClassVar

from lerobot.envs.configs import EnvConfig

from lerobot_dp_plus.environments.pucks import FPS, ThreePucks
from lerobot_dp_plus.environments.told_config import ToldConfig


@EnvConfig.register_subclass("three_pucks")
@dataclass
class ThreePucksConfig(ToldConfig):
    """Options of `ThreePucks`; needs the `metaworld` extra."""

    environment: ClassVar[type[ThreePucks]] = ThreePucks

    fps: int = FPS
