"""A network that was told the times it will be asked about."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lerobot_dp_plus.notation import Condition, Network


class Prepared:
    """A `network` during one chunk. At the announced times only what depends on x_t is left to compute.

    A time is recognised if it is the same tensor object that was announced. A comparison of values would stall a GPU.
    At other times, and for jumps, the network itself answers.
    """

    def __init__(self, network: Network, times: Sequence[Tensor], condition: Condition):
        """Network times, each (B,) with equal entries."""
        self._network = network
        calls = network.prepare(torch.stack([time[0] for time in times]), condition)
        self._calls = dict(zip(times, calls, strict=True))

    def __call__(self, x_t: Tensor, time: Tensor, condition: Condition, end: Tensor | None = None) -> Tensor:
        """As the network's `forward`."""
        if end is None and time in self._calls:
            return self._calls[time](x_t)
        return self._network(x_t, time, condition, end)
