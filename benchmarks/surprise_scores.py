"""Scores of surprise that `benchmarks.surprise` compares: those of the package, and others that were tried."""

from collections.abc import Callable

import torch
from torch import Tensor

from lerobot_dp_plus.surprise import SCORERS, Evidence, expectation
from lerobot_dp_plus.surprise.distance import nearest

#: Keeps a z-score finite where all candidates agree, px.
FLOOR = 10.0


def spread(chunks: Tensor) -> Tensor:
    """RMS distance of chunks (B, N, L, A) from their mean, (B,)."""
    return (chunks - chunks.mean(1, keepdim=True)).square().sum(-1).mean((1, 2)).sqrt()


def tail_and_rows(evidence: Evidence) -> tuple[Tensor, Tensor]:
    """The tail (B, L, A), and the candidates' rows that it covers, (B, N, L, A)."""
    assert evidence.tail is not None
    return evidence.tail, evidence.candidates.chunks[:, :, : evidence.tail.shape[1]]


def mean_distance(evidence: Evidence) -> Tensor:
    """To all candidates."""
    tail, rows = tail_and_rows(evidence)
    return (rows - tail[:, None]).square().sum(-1).mean((1, 2)).sqrt()


def end_point(evidence: Evidence) -> Tensor:
    """Of the last row that both plan."""
    tail, rows = tail_and_rows(evidence)
    return nearest(tail[:, -1:], rows[:, :, -1:])


def late(evidence: Evidence) -> Tensor:
    """Later rows weigh more."""
    tail, rows = tail_and_rows(evidence)
    weights = torch.arange(1, tail.shape[1] + 1.0).sqrt()[:, None]
    return nearest(tail * weights, rows * weights)


def z_score(evidence: Evidence) -> Tensor:
    """In units of the candidates' spread."""
    tail, rows = tail_and_rows(evidence)
    return nearest(tail, rows) / (spread(rows) + FLOOR)


def good_half(evidence: Evidence) -> Tensor:
    """To the half of the candidates that has the lower energy."""
    tail, rows = tail_and_rows(evidence)
    energy = evidence.candidates.energies["end"]
    best = energy.argsort(1)[:, : max(1, energy.shape[1] // 2)]
    return nearest(tail, rows[torch.arange(len(best))[:, None], best])


VARIANTS: dict[str, Callable[[Evidence], Tensor | None]] = {
    "nearest candidate": SCORERS["distance"],
    "mean over candidates": mean_distance,
    "nearest end point": end_point,
    "nearest, later rows more": late,
    "nearest ÷ (spread + 10 px)": z_score,
    "nearest of the lower energies": good_half,
    "expected states (dynamics)": expectation,
}
