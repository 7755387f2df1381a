"""The policy types, where LeRobot looks for them: presets of one class body, `policy.py`."""

from lerobot_dp_plus.policies.configuration_dp_plus import (
    DpPlusDitConfig,
    DpPlusFlowConfig,
    DpPlusPi0Config,
    DpPlusTransformerConfig,
    DpPlusUnetConfig,
)
from lerobot_dp_plus.policies.modeling_baselines import (
    DpPlusBcPolicy,
    DpPlusBetPolicy,
    DpPlusGmmPolicy,
    DpPlusIbcPolicy,
)
from lerobot_dp_plus.policies.policy import DpPlusPolicy

__all__ = [
    "DpPlusBcPolicy",
    "DpPlusBetPolicy",
    "DpPlusDitPolicy",
    "DpPlusFlowPolicy",
    "DpPlusGmmPolicy",
    "DpPlusIbcPolicy",
    "DpPlusPi0Policy",
    "DpPlusPolicy",
    "DpPlusTransformerPolicy",
    "DpPlusUnetPolicy",
]


class DpPlusUnetPolicy(DpPlusPolicy):
    """`dp_plus_unet`."""

    config_class = DpPlusUnetConfig
    name = "dp_plus_unet"


class DpPlusTransformerPolicy(DpPlusPolicy):
    """`dp_plus_transformer`."""

    config_class = DpPlusTransformerConfig
    name = "dp_plus_transformer"


class DpPlusFlowPolicy(DpPlusPolicy):
    """`dp_plus_flow`."""

    config_class = DpPlusFlowConfig
    name = "dp_plus_flow"


class DpPlusDitPolicy(DpPlusPolicy):
    """`dp_plus_dit`."""

    config_class = DpPlusDitConfig
    name = "dp_plus_dit"


class DpPlusPi0Policy(DpPlusPolicy):
    """`dp_plus_pi0`."""

    config_class = DpPlusPi0Config
    name = "dp_plus_pi0"
