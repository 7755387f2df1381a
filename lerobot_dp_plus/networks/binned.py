"""A network that says which bin a chunk is in, and how far from its centre it is."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lerobot_dp_plus.networks.base import NetworkConfig
from lerobot_dp_plus.networks.bins import Bins
from lerobot_dp_plus.networks.widened import Widened
from lerobot_dp_plus.notation import Condition, Network, Span, Tokens


class Binned(Network):
    """Any network, widened to K·(1 + A) numbers for every step of a chunk, and the bins (`bins.py`) these are about."""

    def __init__(
        self,
        config: NetworkConfig,
        num_bins: int,
        *,
        horizon: int,
        action_dim: int,
        observation: Mapping[str, Span],
    ):
        super().__init__()
        self.network = Widened(config, torch.zeros(horizon, num_bins * (1 + action_dim)), observation)
        self.bins = Bins(num_bins, horizon, action_dim)

    def condition(self, observation: Sequence[Tokens]) -> Condition:
        return self.network.condition(observation)

    def write(self, text: Tensor, condition: Condition) -> Tensor:
        return self.network.write(text, condition)

    def forward(self, x_t: Tensor, time: Tensor, condition: Condition, end: Tensor | None = None) -> Tensor:
        """(B, H, A) -> (B, H, K·(1 + A))."""
        return self.network(x_t, time, condition, end)
