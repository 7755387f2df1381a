"""Bins of chunks, and an offset from the centre of the one that is drawn."""

from dataclasses import dataclass
from typing import ClassVar, Unpack

import torch
from torch import Tensor

from lerobot_dp_plus.heads.at_once import at_once, given_at_once
from lerobot_dp_plus.heads.base import NOTHING, Given, Head, decided
from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.networks import Binned, NetworkConfig, Shape
from lerobot_dp_plus.notation import Candidates, Condition, Network
from lerobot_dp_plus.objectives import Objective


@Objective.register_subclass("discretised")
@dataclass(frozen=True)
class Discretised(Objective):
    """L = −(1 − p_k)^γ·log p_k + w·‖a − c_k − δ_k‖²,  k the bin of the chunk a, c its centre, δ the offset.

    Behaviour transformers (BET), Shafiullah et al., arXiv 2206.11251, §3.3: focal loss of the bin, squared error of that bin's
    offset alone; bins by k-means. γ = 2, w = 1000 and 64 bins are those of the authors' kitchen. There every action has a bin
    of its own. Here a bin is of whole chunks, as in VQ-BeT, arXiv 2403.03181: actions whose bins were drawn one by one would
    mix two ways. With `horizon` = 1 both are the same.
    """

    head: ClassVar[str] = "discretised"

    num_bins: int = 64
    # γ; 0 is cross-entropy.
    focal: float = 2.0
    # w, on the mean over numbers of the squared error.
    offset_weight: float = 1000.0

    def __post_init__(self) -> None:
        at_least("objective", self, num_bins=1, focal=0, offset_weight=0)


@dataclass(frozen=True, eq=False)
class DiscretisedHead(Head):
    """The network says how likely each bin is, and its offset: a bin is drawn, and the chunk is its centre with the offset.

    It has no density. What is decided of a chunk is written over what was drawn, unless the network was trained to be shown
    it. Cost: one network call for all candidates.
    """

    stochastic: ClassVar[bool] = True

    network: Binned
    objective: Discretised

    @classmethod
    def build(cls, objective: Objective, config: NetworkConfig, **shape: Unpack[Shape]) -> Network:
        """For each step and bin a weight and an offset, and the bins themselves."""
        assert isinstance(objective, Discretised)
        return Binned(config, objective.num_bins, **shape)

    def _said(self, said: Tensor, action_dim: int) -> tuple[Tensor, Tensor]:
        """What the network's output (B, H, K·(1 + A)) means: log-probabilities (B, K) and offsets (B, K, H, A)."""
        said = said.to(torch.promote_types(said.dtype, torch.float32))
        each = said.unflatten(2, (-1, 1 + action_dim)).transpose(1, 2)  # (B, K, H, 1 + A)
        logits = each[..., 0].mean(2).masked_fill(~self.network.bins.there, -torch.inf)
        return logits.log_softmax(1), each[..., 1:]

    def loss(self, condition: Condition, chunk: Tensor, valid: Tensor, shown: Tensor | None = None) -> Tensor:
        """In training, the bins learn from the chunks first. It is 0 where no action counts."""
        if self.network.training:
            self.network.bins.learn(chunk.detach())
        counted = valid if shown is None else valid & ~shown
        log_probs, offsets = self._said(at_once(self.network, condition, chunk, shown), chunk.shape[2])
        return self._each(log_probs, offsets, chunk[:, None], counted)[:, 0]

    def _each(self, log_probs: Tensor, offsets: Tensor, chunks: Tensor, counted: Tensor) -> Tensor:
        """The loss (B, N) of chunks (B, N, H, A) under what is said of B observations; `counted` (B, H)."""
        bins = self.network.bins.nearest(chunks.flatten(0, 1)).view(chunks.shape[:2])
        log_prob = log_probs.gather(1, bins)
        focal = -((1 - log_prob.exp()) ** self.objective.focal) * log_prob
        rows = torch.arange(len(chunks), device=chunks.device)[:, None]
        error = (chunks - self.network.bins.centres[bins] - offsets[rows, bins]).square() * counted[:, None, :, None]
        mean = error.sum((2, 3)) / (counted.sum(1) * chunks.shape[3]).clamp_min(1)[:, None]
        return (focal + self.objective.offset_weight * mean) * counted.any(1)[:, None]

    def propose(self, condition: Condition, noise: Tensor, given: Given = NOTHING) -> Candidates:
        log_probs, offsets = self._said(given_at_once(self.network, condition, noise, given), noise.shape[3])
        bins = torch.multinomial(log_probs.exp(), noise.shape[1], replacement=True, generator=given.generator)
        rows = torch.arange(len(noise), device=noise.device)[:, None]
        chunks = (self.network.bins.centres[bins] + offsets[rows, bins]).to(noise.dtype)
        return Candidates(chunks if given.fixed is None else decided(given.fixed, chunks))

    def imitation(self, condition: Condition, chunks: Tensor, draws: int = 8, valid: Tensor | None = None) -> Tensor:
        """The loss of each chunk. Cost: one network call."""
        counted = torch.ones_like(chunks[:, 0, :, 0], dtype=torch.bool) if valid is None else valid
        said = self._said(at_once(self.network, condition, chunks[:, 0]), chunks.shape[3])
        return self._each(*said, chunks, counted)
