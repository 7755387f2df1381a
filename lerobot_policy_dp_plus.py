"""The doorbell: LeRobot imports the module named like the distribution; importing it registers every policy type,
every environment and every robot.

The processors come along because a saved pipeline names its steps, which must be registered before it is loaded.
"""

from lerobot_dp_plus.environments import aloha_config, blocks_config, metaworld_config, pucks_config
from lerobot_dp_plus.policies import configuration_baselines, configuration_dp_plus, processor_dp_plus
from lerobot_dp_plus.robots import config_simulated

__all__ = [
    "aloha_config",
    "blocks_config",
    "config_simulated",
    "configuration_baselines",
    "configuration_dp_plus",
    "metaworld_config",
    "processor_dp_plus",
    "pucks_config",
]
