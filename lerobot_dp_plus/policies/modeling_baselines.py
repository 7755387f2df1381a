"""The policy types of `configuration_baselines.py`, where LeRobot looks for them."""

from lerobot_dp_plus.policies.configuration_baselines import (
    DpPlusBcConfig,
    DpPlusBetConfig,
    DpPlusGmmConfig,
    DpPlusIbcConfig,
)
from lerobot_dp_plus.policies.policy import DpPlusPolicy

__all__ = ["DpPlusBcPolicy", "DpPlusBetPolicy", "DpPlusGmmPolicy", "DpPlusIbcPolicy"]


class DpPlusBcPolicy(DpPlusPolicy, config=DpPlusBcConfig): ...


class DpPlusGmmPolicy(DpPlusPolicy, config=DpPlusGmmConfig): ...


class DpPlusIbcPolicy(DpPlusPolicy, config=DpPlusIbcConfig): ...


class DpPlusBetPolicy(DpPlusPolicy, config=DpPlusBetConfig): ...
