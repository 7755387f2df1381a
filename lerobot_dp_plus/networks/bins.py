"""Bins of chunks, learned by k-means while a policy is trained."""

import numpy as np
import torch
from scipy.cluster.vq import kmeans2
from torch import Tensor, nn

#: Chunks for each bin after which the bins stay as they are.
ENOUGH = 100


class Bins(nn.Module):
    """K centres of chunks, as buffers, so that a checkpoint holds them.

    The first chunks of a training give the first centres, by k-means of SciPy from k-means++ seeds. Each further batch moves
    every centre to the mean of all chunks that were nearest to it so far: mini-batch k-means, Sculley 2010. After `ENOUGH`
    chunks for each bin nothing moves any more. Before any training there is one bin, in the middle.
    """

    centres: Tensor
    counts: Tensor
    used: Tensor

    def __init__(self, num_bins: int, horizon: int, action_dim: int):
        super().__init__()
        self.register_buffer("centres", torch.zeros(num_bins, horizon, action_dim))
        self.register_buffer("counts", torch.zeros(num_bins))  # chunks that each centre is a mean of
        self.register_buffer("used", torch.zeros((), dtype=torch.int64))  # how many centres there are

    @property
    def there(self) -> Tensor:
        """Which bins there are, (K,) bool."""
        return torch.arange(len(self.centres), device=self.used.device) < self.used.clamp_min(1)

    def nearest(self, chunks: Tensor) -> Tensor:
        """The bin (B,) whose centre is nearest to each chunk (B, H, A)."""
        away = torch.cdist(chunks.flatten(1).float(), self.centres.flatten(1).float())
        return away.masked_fill(~self.there, torch.inf).argmin(1)

    @torch.no_grad()
    def learn(self, chunks: Tensor) -> None:
        """Take in chunks (B, H, A), normalised."""
        if int(self.counts.sum()) >= ENOUGH * len(self.centres):
            return
        chunks = chunks.to(self.centres)
        self._begin(chunks)
        bins = self.nearest(chunks)
        fresh = torch.zeros_like(self.counts).index_add_(0, bins, torch.ones_like(bins, dtype=self.counts.dtype))
        total = torch.zeros_like(self.centres).index_add_(0, bins, chunks)
        self.counts += fresh
        share = (1 / self.counts.clamp_min(1))[:, None, None]
        self.centres += (total - fresh[:, None, None] * self.centres) * share

    def _begin(self, chunks: Tensor) -> None:
        """New centres from these chunks, if there are not all yet."""
        used, missing = int(self.used), len(self.centres) - int(self.used)
        rows = np.unique(chunks.flatten(1).double().cpu().numpy(), axis=0)
        count = min(missing, len(rows))
        if count == 0:
            return
        centres, _ = kmeans2(rows, count, minit="++", rng=0) if count < len(rows) else (rows, None)
        self.centres[used : used + count] = torch.from_numpy(centres).to(self.centres).unflatten(1, chunks.shape[1:])
        self.used += count
