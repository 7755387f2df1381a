"""The doorbell: LeRobot imports the module named like the distribution; importing it registers every policy type."""

from lerobot_dp_plus.policies import configuration_dp_plus

__all__ = ["configuration_dp_plus"]
