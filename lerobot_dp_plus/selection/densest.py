"""The candidate most others agree with."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.selection.base import AmongSeveral, Selection


@Selection.register_subclass("densest")
@dataclass(frozen=True)
class Densest(AmongSeveral):
    """argmin_n Σ_m ‖a⁽ⁿ⁾ − a⁽ᵐ⁾‖: the medoid, which unlike the mean is a chunk that was sampled.

    Cost: the network at batch B·N.
    """

    def choose(self, candidates: Candidates, tail: Tensor | None) -> Tensor:
        flat = candidates.chunks.flatten(2)  # (B, N, H·A)
        # By differences: the faster product form loses the distances between close chunks to rounding.
        return torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist").sum(-1).argmin(1)
