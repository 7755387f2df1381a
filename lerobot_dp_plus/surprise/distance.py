"""How far the plan made before is from what would be planned now."""

from torch import Tensor

from lerobot_dp_plus.surprise.evidence import Evidence


def nearest(tail: Tensor, chunks: Tensor) -> Tensor:
    """min_n √(1/L · Σ_j ‖a_j⁽ⁿ⁾ − tail_j‖²) of a tail (B, L, A) and chunks (B, N, M, A), M ≥ L; (B,), in their units.

    It is a length for each action, so tails of different length compare.
    """
    squares = (chunks[:, :, : tail.shape[1]] - tail[:, None]).square().sum(-1)  # (B, N, L)
    return squares.mean(-1).amin(1).sqrt()


def distance(evidence: Evidence) -> Tensor | None:
    """Surprise as the distance of the plan made before to the nearest new candidate, (B,); None without such a plan.

    Backward coherence of bidirectional decoding (arXiv 2408.17355), read as a signal. It needs candidates and nothing
    else. A policy that changes its mind by itself is surprised as much as one whose world has changed, so this signal is
    weak where candidates differ much from chunk to chunk; `benchmarks/surprise.py` measures it.
    """
    return None if evidence.tail is None else nearest(evidence.tail, evidence.candidates.chunks)
