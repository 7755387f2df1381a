"""Keep to the plan, do what the policy does, and not what it did before it had learned enough."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.selection.base import AmongSeveral, Selection


@Selection.register_subclass("bidirectional")
@dataclass(frozen=True)
class Bidirectional(AmongSeveral):
    """argmin_{n ∈ P} B(n) + 1/(K−1) Σ_{m ∈ P} d(a⁽ⁿ⁾, a⁽ᵐ⁾) − 1/K' Σ_{m ∈ Q} d(a⁽ⁿ⁾, w⁽ᵐ⁾)

        B(n) = Σ_j ρʲ‖a_j⁽ⁿ⁾ − tail_j‖ / Σ_j ρʲ      d(a, b) = 1/L Σ_j ‖a_j − b_j‖

    Bidirectional decoding, Liu et al., arXiv 2408.17355: backward coherence, as `coherent`, plus forward contrast. w are
    chunks of a weak policy for the same observations, for example of an earlier checkpoint of the same training. P are the
    K candidates with the smallest B, Q the K' weak chunks. Both terms are means over steps here, so that they are of one
    size whatever the horizon. Distances are those of normalised actions.

    The first chunk of an episode has no predecessor: B is 0, and P and Q hold all. It knows no energy: where a policy is
    good because an energy ranks its chunks, this rule gives that up.

    The weak policy is loaded once, before the first chunk, and is not saved with this one. It must read the same features,
    normalised alike, and have the same horizon and steps. Cost: both networks at batch B·N.

    Attributes:
        decay: ρ.
        nearest: the share of the candidates that P holds, and of the weak chunks that Q holds.
        weak: checkpoint folder, training folder or USER/NAME of the weak policy.
    """

    decay: float = 0.9
    nearest: float = 1 / 3
    weak: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.decay <= 1:
            raise ValueError(f"selection.decay = {self.decay}: must be in (0, 1]")
        if not 0 < self.nearest <= 1:
            raise ValueError(f"selection.nearest = {self.nearest}: must be in (0, 1], a share of the candidates")

    @property
    def contrast(self) -> str:
        return self.weak

    def check(self, chunk_length: int, executed: int) -> None:
        if not self.weak:
            raise ValueError(
                "selection.weak = '': must be the checkpoint of a weaker policy, such as an earlier one of this training; "
                "without a weak policy use selection.type=coherent"
            )
        if executed >= chunk_length:
            raise ValueError(
                f"n_action_steps = {executed}: with selection.type=bidirectional it must be less than {chunk_length}, or no "
                "planned step is left to compare with"
            )

    def choose(self, candidates: Candidates, tail: Tensor | None) -> Tensor:
        if candidates.contrast is None:
            raise ValueError("selection.type = bidirectional: the chunks of the weak policy were not told")
        backward, kept = self._most_coherent(candidates.chunks, tail)  # (B, N), (B, K)
        _, weakest = self._most_coherent(candidates.contrast, tail)
        chunks, weak = chosen(candidates.chunks, kept), chosen(candidates.contrast, weakest)
        like = apart(chunks, chunks).sum(2) / (kept.shape[1] - 1)  # the distance to itself is 0
        total = backward.gather(1, kept) + like - apart(chunks, weak).mean(2)
        return kept.gather(1, total.argmin(1, keepdim=True))[:, 0]

    def _most_coherent(self, chunks: Tensor, tail: Tensor | None) -> tuple[Tensor, Tensor]:
        """B of each of the chunks (B, N, L, A), and the numbers of those that have the least, in the order of the chunks."""
        batch, count = chunks.shape[:2]
        if tail is None:
            return chunks.new_zeros(batch, count), torch.arange(count, device=chunks.device).expand(batch, count)
        weights = self.decay ** torch.arange(tail.shape[1], dtype=chunks.dtype, device=chunks.device)
        distance = (chunks[:, :, : tail.shape[1]] - tail[:, None]).norm(dim=-1) @ (weights / weights.sum())
        kept = min(count, max(2, round(self.nearest * count)))
        return distance, distance.argsort(dim=1, stable=True)[:, :kept].sort(1).values


def chosen(chunks: Tensor, index: Tensor) -> Tensor:
    """Of chunks (B, N, L, A) those that `index` (B, K) names."""
    return chunks[torch.arange(len(index), device=index.device)[:, None], index]


def apart(chunks: Tensor, others: Tensor) -> Tensor:
    """Mean distance of actions, d, of chunks (B, K, L, A) to others (B, M, L, A), (B, K, M)."""
    return (chunks[:, :, None] - others[:, None]).norm(dim=-1).mean(-1)
