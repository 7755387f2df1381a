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


class DpPlusUnetPolicy(DpPlusPolicy, config=DpPlusUnetConfig): ...


class DpPlusTransformerPolicy(DpPlusPolicy, config=DpPlusTransformerConfig): ...


class DpPlusFlowPolicy(DpPlusPolicy, config=DpPlusFlowConfig): ...


class DpPlusDitPolicy(DpPlusPolicy, config=DpPlusDitConfig): ...


class DpPlusPi0Policy(DpPlusPolicy, config=DpPlusPi0Config): ...
