"""Selections pick what brute force picks."""

import pytest
import torch
from torch import Tensor

from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.selection import Coherent, Densest, First, LowestEnergy, Selection

B, N, H, A = 6, 5, 8, 2


def candidates(count: int = N) -> Tensor:
    return torch.randn(B, count, H, A)


def pick(chunks: Tensor, cost) -> Tensor:
    """Loops over observations and candidates; the cost of a chunk (H, A) among the others (N, H, A)."""
    best = [
        min(range(chunks.shape[1]), key=lambda n, row=row, b=b: cost(b, row[n], row)) for b, row in enumerate(chunks)
    ]
    assert len(set(best)) > 1, "the choice never varies"
    return torch.tensor(best)


def choose(selection: Selection, chunks: Tensor, tail: Tensor | None = None) -> Tensor:
    """The index of one of the chunks (B, N, H, A) for each observation."""
    index = selection.choose(Candidates(chunks), tail)
    assert index.shape == chunks.shape[:1] and index.dtype == torch.int64
    return index


def test_first_takes_the_first() -> None:
    chunks = candidates(1)
    assert First().candidates == 1
    assert not choose(First(), chunks).any()


@pytest.mark.parametrize("length", [1, 5, H])
@pytest.mark.parametrize("decay", [0.3, 1.0])
def test_coherent_takes_the_closest_to_the_tail(length: int, decay: float) -> None:
    chunks, tail = candidates(), torch.randn(B, length, A)

    def distance(b: int, chunk: Tensor, row: Tensor) -> float:
        return sum(decay**j * (chunk[j] - tail[b, j]).square().sum().item() for j in range(length))

    assert torch.equal(choose(Coherent(N, decay), chunks, tail), pick(chunks, distance))


def test_coherent_weighs_early_steps_more() -> None:
    tail = torch.zeros(1, 2, 1)
    early, late = torch.tensor([[1.0], [0.0]]), torch.tensor([[0.0], [1.2]])
    chunks = torch.stack([early, late])[None]
    assert choose(Coherent(2, decay=0.5), chunks, tail).tolist() == [1]
    assert choose(Coherent(2, decay=1.0), chunks, tail).tolist() == [0]


def test_coherent_begins_with_the_first() -> None:
    assert not choose(Coherent(N), candidates()).any()


@pytest.mark.parametrize("count", [2, N, 40])
def test_densest_takes_the_medoid(count: int) -> None:
    chunks = candidates(count)

    def distance(b: int, chunk: Tensor, row: Tensor) -> float:
        return sum((chunk.double() - other.double()).norm().item() for other in row)

    if count == 2:  # a tie: the first
        assert not choose(Densest(count), chunks).any()
    else:
        assert torch.equal(choose(Densest(count), chunks), pick(chunks, distance))


def test_densest_tells_close_candidates_apart() -> None:
    """Chunks 1e-3 apart at a distance of 10: products of them would lose what tells them apart."""
    offsets = torch.randn(B, 40, H, A).mul(1e-3)
    chunks = 10 + offsets
    exact = chunks.double() - 10
    distances = torch.cdist(exact.flatten(2), exact.flatten(2)).sum(-1)
    assert torch.equal(choose(Densest(40), chunks), distances.argmin(1))


def test_densest_joins_the_larger_mode() -> None:
    modes = torch.cat([torch.full((3, H, A), 1.0), torch.full((2, H, A), -1.0)])
    chunks = (modes + 0.01 * torch.randn(N, H, A))[None]
    assert choose(Densest(N), chunks).item() < 3


def test_an_energy_is_looked_up_by_its_name() -> None:
    chunks, low, high = candidates(2), torch.tensor([[0.0, 1.0]]).expand(B, 2), torch.tensor([[1.0, 0.0]]).expand(B, 2)
    proposed = Candidates(chunks, {"end": low, "smoothness": high})
    assert not LowestEnergy(2).choose(proposed, None).any()
    assert LowestEnergy(2, energy="smoothness").choose(proposed, None).all()
    assert LowestEnergy(2, energy="smoothness").energies == ("smoothness",)
    assert First().energies == Coherent().energies == Densest().energies == ()


@pytest.mark.parametrize(("energies", "told"), [({"smoothness": torch.zeros(B, 2)}, r"\['smoothness'\]"), ({}, "none")])
def test_an_energy_that_was_not_told_is_named(energies: dict[str, Tensor], told: str) -> None:
    with pytest.raises(ValueError, match=rf"selection\.energy = 'end': candidates have {told}"):
        LowestEnergy(2).choose(Candidates(candidates(2), energies), None)


@pytest.mark.parametrize("kind", [Coherent, Densest, LowestEnergy])
def test_one_candidate_is_no_choice(kind) -> None:
    with pytest.raises(ValueError, match=r"selection\.num_candidates = 1: must be at least 2"):
        kind(num_candidates=1)
    assert kind(num_candidates=7).candidates == 7


@pytest.mark.parametrize("decay", [0.0, 1.1])
def test_illegal_decay_is_named(decay: float) -> None:
    with pytest.raises(ValueError, match=rf"selection\.decay = {decay}: must be in \(0, 1\]"):
        Coherent(decay=decay)
