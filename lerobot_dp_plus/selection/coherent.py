"""Keep to the plan."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.selection.base import AmongSeveral, Selection


@Selection.register_subclass("coherent")
@dataclass(frozen=True)
class Coherent(AmongSeveral):
    """argmin_n Σ_j ρʲ‖a_j⁽ⁿ⁾ − tail_j‖² over the steps that the previous chunk planned but did not execute.

    Backward coherence of bidirectional decoding, Liu et al., arXiv 2408.17355, eq. 3. The first chunk of an episode has
    no predecessor: its first candidate is taken. Cost: the network at batch B·N.
    """

    decay: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.decay <= 1:
            raise ValueError(f"selection.decay = {self.decay}: must be in (0, 1]")

    def check(self, chunk_length: int, executed: int) -> None:
        if executed >= chunk_length:
            raise ValueError(
                f"n_action_steps = {executed}: with selection.type=coherent it must be less than {chunk_length}, or no "
                "planned step is left to compare with"
            )

    def choose(self, candidates: Candidates, tail: Tensor | None) -> Tensor:
        chunks = candidates.chunks
        if tail is None:
            return torch.zeros(len(chunks), dtype=torch.int64, device=chunks.device)
        weights = self.decay ** torch.arange(tail.shape[1], device=chunks.device)  # (L,)
        distance = (chunks[:, :, : tail.shape[1]] - tail[:, None]).square().sum(-1)  # (B, N, L)
        return (weights * distance).sum(-1).argmin(1)
