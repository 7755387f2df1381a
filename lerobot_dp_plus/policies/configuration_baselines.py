"""The baselines of the field as policy types: the same policy with another head."""

from dataclasses import dataclass, field

from lerobot_dp_plus.heads import Discretised, Implicit, MixtureDensity, Regression
from lerobot_dp_plus.networks import LSTMConfig, NetworkConfig
from lerobot_dp_plus.objectives import Objective
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.presets import register_preset


@register_preset("dp_plus_bc")
@dataclass
class DpPlusBcConfig(DpPlusConfig):
    """Behaviour cloning: transformer, regression of the chunk by its mean squared error."""

    objective: Objective = field(default_factory=Regression)


@register_preset("dp_plus_gmm")
@dataclass
class DpPlusGmmConfig(DpPlusConfig):
    """LSTM-GMM, after robomimic, arXiv 2108.03298: LSTM over a chunk, mixture of five Gaussians."""

    network: NetworkConfig = field(default_factory=LSTMConfig)
    objective: Objective = field(default_factory=MixtureDensity)


@register_preset("dp_plus_ibc")
@dataclass
class DpPlusIbcConfig(DpPlusConfig):
    """Implicit behavioural cloning, arXiv 2109.00137: transformer as energy, InfoNCE, derivative-free search."""

    objective: Objective = field(default_factory=Implicit)


@register_preset("dp_plus_bet")
@dataclass
class DpPlusBetConfig(DpPlusConfig):
    """Behaviour transformer, arXiv 2206.11251: transformer, 64 bins of chunks by k-means, with offsets."""

    objective: Objective = field(default_factory=Discretised)
