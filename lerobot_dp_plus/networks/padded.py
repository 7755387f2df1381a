"""A network whose chunks are wider than those that it is asked about."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from lerobot_dp_plus.notation import Condition, Network, Tokens


class Masked(NamedTuple):
    """A condition, and which dimensions of each sample's actions there are, (B, W) of ones and zeros."""

    condition: Condition
    there: Tensor


class Padded(Network):
    """out(x_t, t, o) = net([x_t, 0], t, o), its first A numbers of each step: a network for W, asked about A of them.

    So one network serves robots with fewer actions than W: π0's zero-padding, arXiv 2410.24164, §V. What is padded stays
    zero at every time, so noise of dimensions that a robot does not have reaches neither the network nor a chunk. In
    training, chunks of several robots come at the width W. A condition `Masked` says which of their dimensions there are.
    It has no weights of its own.
    """

    network: Network

    def __init__(self, network: Network, width: int):
        """`width` is W."""
        super().__init__()
        # Not a part of this one: the weights have one place.
        self.__dict__["network"], self.width = network, width

    def condition(self, observation: Sequence[Tokens]) -> Condition:
        return self.network.condition(observation)

    def forward(self, x_t: Tensor, time: Tensor, condition: Condition, end: Tensor | None = None) -> Tensor:
        if isinstance(condition, Masked):
            there = condition.there[:, None].to(x_t.dtype)
            return self.network(x_t * there, time, condition.condition, end) * there
        return self.network(self._wide(x_t), time, condition, end)[..., : x_t.shape[-1]]

    def prepare(self, times: Tensor, condition: Condition) -> Sequence[Callable[[Tensor], Tensor]]:
        if isinstance(condition, Masked):
            return super().prepare(times, condition)

        def narrow(call: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
            return lambda x_t: call(self._wide(x_t))[..., : x_t.shape[-1]]

        return [narrow(call) for call in self.network.prepare(times, condition)]

    def _wide(self, x_t: Tensor) -> Tensor:
        return F.pad(x_t, (0, self.width - x_t.shape[-1]))
