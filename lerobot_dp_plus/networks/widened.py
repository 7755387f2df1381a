"""A network that says more of every step of a chunk than one action."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from lerobot_dp_plus.networks.base import NetworkConfig
from lerobot_dp_plus.notation import Condition, Network, Span, Tokens


class Widened(Network):
    """out(x_t, t, o) = net([x_t, 0], t, o) + b, W numbers for every step of a chunk.

    Any network serves: it is built for actions of W numbers, of which the first A are the chunk and the others 0. The bias b
    is learned. It tells parts of the output apart that start alike, as networks start as the zero function.
    """

    def __init__(self, config: NetworkConfig, bias: Tensor, observation: Mapping[str, Span]):
        """`bias` (H, W) is what b starts from, and says how wide the output is."""
        super().__init__()
        horizon, width = bias.shape
        self.network = config.build(horizon=horizon, action_dim=width, observation=observation)
        self.bias = nn.Parameter(bias.clone())

    def condition(self, observation: Sequence[Tokens]) -> Condition:
        return self.network.condition(observation)

    def write(self, text: Tensor, condition: Condition) -> Tensor:
        return self.network.write(text, condition)

    def forward(self, x_t: Tensor, time: Tensor, condition: Condition, end: Tensor | None = None) -> Tensor:
        """(B, H, A) -> (B, H, W)."""
        wide = nn.functional.pad(x_t, (0, self.bias.shape[1] - x_t.shape[2]))
        return self.network(wide, time, condition, end) + self.bias
