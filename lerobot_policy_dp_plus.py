"""The doorbell: LeRobot imports the module named like the distribution; importing it registers every policy type
and every environment.

The processors come along because a saved pipeline names its steps, which must be registered before it is loaded.
"""

from lerobot_dp_plus.environments import aloha_config
from lerobot_dp_plus.policies import configuration_dp_plus, processor_dp_plus

__all__ = ["aloha_config", "configuration_dp_plus", "processor_dp_plus"]
