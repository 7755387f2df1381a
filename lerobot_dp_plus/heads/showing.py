"""A network that is shown some steps of a chunk without noise."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lerobot_dp_plus.notation import Condition, Network


@dataclass(frozen=True, eq=False)
class Showing:
    """`network`, to which the steps `which` (R, H) of a chunk go in as `chunks` (R, H, A) says, at a time of their own.

    Training-time real-time chunking, arXiv 2512.05964: what is decided is clean, at t = 1, inside a noisy chunk. It serves
    training and sampling alike. Batches of a multiple of R rows have the same steps again.

    Args:
        network: one that takes a time for every step of a chunk.
        chunks: where the decided steps are read; other steps are ignored.
        which: the decided steps.
        time: the network time of clean data.
    """

    network: Network
    chunks: Tensor
    which: Tensor
    time: Tensor

    def __call__(self, x_t: Tensor, time: Tensor, condition: Condition, end: Tensor | None = None) -> Tensor:
        """As the network's `forward`, without jumps."""
        assert end is None  # the config refuses jumps
        which, chunks = self.which, self.chunks
        if (again := len(x_t) // len(which)) > 1:
            which, chunks = which.repeat(again, 1), chunks.repeat(again, 1, 1)
        shown = torch.where(which[..., None], chunks.to(x_t.dtype), x_t)
        return self.network(shown, torch.where(which, self.time.to(time.dtype), time[:, None]), condition)
