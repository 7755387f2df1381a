"""What a network says of a chunk in one call, with nothing where a noisy chunk and its time would be."""

import torch
from torch import Tensor

from lerobot_dp_plus.heads.base import Given
from lerobot_dp_plus.heads.showing import Showing
from lerobot_dp_plus.notation import Condition, Network


def at_once(network: Network, condition: Condition, like: Tensor, shown: Tensor | None = None) -> Tensor:
    """net(0, 0, o), (B, H, W). Steps `shown` (B, H) of `like` (B, H, A) go in as they are, at the time 1."""
    nothing, start = torch.zeros_like(like), like.new_zeros(len(like))
    if shown is None:
        return network(nothing, start, condition)
    return Showing(network, like, shown, like.new_ones(()))(nothing, start, condition)


def given_at_once(network: Network, condition: Condition, noise: Tensor, given: Given) -> Tensor:
    """The same for proposals from noise (B, N, H, A), once for each observation; what is shown is part of what is given."""
    if given.shown is None or given.fixed is None:
        return at_once(network, condition, noise[:, 0])
    return at_once(network, condition, given.fixed[:, 0], given.shown[:, 0])
