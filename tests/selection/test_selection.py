"""Selections pick what brute force picks."""

import pytest
import torch
from torch import Tensor

from lerobot_dp_plus.selection import Coherent, Densest, First

B, N, H, A = 6, 5, 8, 2


def candidates(count: int = N) -> Tensor:
    return torch.randn(B, count, H, A)


def pick(chunks: Tensor, cost) -> Tensor:
    """Loops over observations and candidates; the cost of a chunk (H, A) among the others (N, H, A)."""
    best = [
        min(range(chunks.shape[1]), key=lambda n, row=row, b=b: cost(b, row[n], row)) for b, row in enumerate(chunks)
    ]
    assert len(set(best)) > 1, "the choice never varies"
    return torch.stack([row[n] for row, n in zip(chunks, best, strict=True)])


def test_first_takes_the_first() -> None:
    chunks = candidates(1)
    assert First().candidates == 1
    assert torch.equal(First().choose(chunks, None), chunks[:, 0])


@pytest.mark.parametrize("length", [1, 5, H])
@pytest.mark.parametrize("decay", [0.3, 1.0])
def test_coherent_takes_the_closest_to_the_tail(length: int, decay: float) -> None:
    chunks, tail = candidates(), torch.randn(B, length, A)

    def distance(b: int, chunk: Tensor, row: Tensor) -> float:
        return sum(decay**j * (chunk[j] - tail[b, j]).square().sum().item() for j in range(length))

    assert torch.equal(Coherent(N, decay).choose(chunks, tail), pick(chunks, distance))


def test_coherent_weighs_early_steps_more() -> None:
    tail = torch.zeros(1, 2, 1)
    early, late = torch.tensor([[1.0], [0.0]]), torch.tensor([[0.0], [1.2]])
    chunks = torch.stack([early, late])[None]
    assert torch.equal(Coherent(2, decay=0.5).choose(chunks, tail)[0], late)
    assert torch.equal(Coherent(2, decay=1.0).choose(chunks, tail)[0], early)


def test_coherent_begins_with_the_first() -> None:
    chunks = candidates()
    assert torch.equal(Coherent(N).choose(chunks, None), chunks[:, 0])


@pytest.mark.parametrize("count", [2, N, 40])
def test_densest_takes_the_medoid(count: int) -> None:
    chunks = candidates(count)

    def distance(b: int, chunk: Tensor, row: Tensor) -> float:
        return sum((chunk.double() - other.double()).norm().item() for other in row)

    if count == 2:  # a tie: the first
        assert torch.equal(Densest(count).choose(chunks, None), chunks[:, 0])
    else:
        assert torch.equal(Densest(count).choose(chunks, None), pick(chunks, distance))


def test_densest_tells_close_candidates_apart() -> None:
    """Chunks 1e-3 apart at a distance of 10: products of them would lose what tells them apart."""
    offsets = torch.randn(B, 40, H, A).mul(1e-3)
    chunks = 10 + offsets
    exact = chunks.double() - 10
    distances = torch.cdist(exact.flatten(2), exact.flatten(2)).sum(-1)
    chosen = Densest(40).choose(chunks, None)
    best = torch.stack([row[n] for row, n in zip(chunks, distances.argmin(1), strict=True)])
    assert torch.equal(chosen, best)


def test_densest_joins_the_larger_mode() -> None:
    modes = torch.cat([torch.full((3, H, A), 1.0), torch.full((2, H, A), -1.0)])
    chunks = (modes + 0.01 * torch.randn(N, H, A))[None]
    assert (Densest(N).choose(chunks, None) > 0).all()


@pytest.mark.parametrize("kind", [Coherent, Densest])
def test_one_candidate_is_no_choice(kind) -> None:
    with pytest.raises(ValueError, match=r"selection\.num_candidates = 1: must be at least 2"):
        kind(num_candidates=1)
    assert kind(num_candidates=7).candidates == 7


@pytest.mark.parametrize("decay", [0.0, 1.1])
def test_illegal_decay_is_named(decay: float) -> None:
    with pytest.raises(ValueError, match=rf"selection\.decay = {decay}: must be in \(0, 1\]"):
        Coherent(decay=decay)
