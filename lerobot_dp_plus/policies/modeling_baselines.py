"""The policy types of `configuration_baselines.py`, where LeRobot looks for them."""

from lerobot_dp_plus.policies.configuration_baselines import (
    DpPlusBcConfig,
    DpPlusBetConfig,
    DpPlusGmmConfig,
    DpPlusIbcConfig,
)
from lerobot_dp_plus.policies.policy import DpPlusPolicy

__all__ = ["DpPlusBcPolicy", "DpPlusBetPolicy", "DpPlusGmmPolicy", "DpPlusIbcPolicy"]


class DpPlusBcPolicy(DpPlusPolicy):
    """`dp_plus_bc`."""

    config_class = DpPlusBcConfig
    name = "dp_plus_bc"


class DpPlusGmmPolicy(DpPlusPolicy):
    """`dp_plus_gmm`."""

    config_class = DpPlusGmmConfig
    name = "dp_plus_gmm"


class DpPlusIbcPolicy(DpPlusPolicy):
    """`dp_plus_ibc`."""

    config_class = DpPlusIbcConfig
    name = "dp_plus_ibc"


class DpPlusBetPolicy(DpPlusPolicy):
    """`dp_plus_bet`."""

    config_class = DpPlusBetConfig
    name = "dp_plus_bet"
