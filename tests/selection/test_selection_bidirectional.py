"""Bidirectional decoding against loops, and its limits."""

import pytest
import torch
from refusals import refusal
from torch import Tensor

from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.selection import Bidirectional, Coherent, Densest

H, A = 6, 2


def by_hand(chunks: Tensor, weak: Tensor, tail: Tensor | None, decay: float, kept: int) -> int:
    """Of one observation: chunks (N, H, A), weak (M, H, A), tail (L, A)."""

    def backward(chunk: Tensor) -> float:
        if tail is None:
            return 0.0
        steps = range(len(tail))
        return sum(decay**j * (chunk[j] - tail[j]).norm().item() for j in steps) / sum(decay**j for j in steps)

    def distance(one: Tensor, other: Tensor) -> float:
        return sum((one[j] - other[j]).norm().item() for j in range(H)) / H

    def best(of: Tensor) -> list[int]:
        return sorted(range(len(of)), key=lambda n: backward(of[n]))[: len(of) if tail is None else kept]

    ours, theirs = best(chunks), best(weak)

    def total(n: int) -> float:
        like = sum(distance(chunks[n], chunks[m]) for m in ours if m != n) / (len(ours) - 1)
        return backward(chunks[n]) + like - sum(distance(chunks[n], weak[m]) for m in theirs) / len(theirs)

    return min(sorted(ours), key=total)


@pytest.mark.parametrize(("count", "nearest", "kept"), [(9, 1 / 3, 3), (8, 0.5, 4), (6, 1.0, 6), (5, 0.1, 2)])
@pytest.mark.parametrize("length", [None, 1, 4])
def test_it_is_the_loop(count: int, nearest: float, kept: int, length: int | None) -> None:
    chunks, weak = torch.randn(20, count, H, A), torch.randn(20, count, H, A)
    tail = None if length is None else torch.randn(20, length, A)
    index = Bidirectional(count, 0.7, nearest, "x").choose(Candidates(chunks, contrast=weak), tail)
    expected = [by_hand(chunks[b], weak[b], None if tail is None else tail[b], 0.7, kept) for b in range(20)]
    assert index.tolist() == expected and index.dtype == torch.int64 and len(set(expected)) > 1


def test_a_weak_policy_that_says_nothing_leaves_the_medoid() -> None:
    """Its chunks are as far from every candidate, and there is no plan before."""
    chunks = torch.zeros(4, 7, H, A)
    chunks[..., 0] = torch.randn(4, 7, 1)
    weak = torch.zeros(4, 7, H, A)
    weak[..., 1] = 1e6  # across the line on which the candidates are
    found = Bidirectional(7, weak="x").choose(Candidates(chunks.double(), contrast=weak.double()), None)
    assert torch.equal(found, Densest(7).choose(Candidates(chunks), None))


def test_of_two_ways_the_one_that_the_weak_policy_does_not_take() -> None:
    ways = torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0, -1.0])[None, :, None, None].expand(1, 6, H, A)
    weak = torch.ones(1, 6, H, A)
    assert Bidirectional(6, weak="x").choose(Candidates(ways, contrast=weak), None).item() >= 3
    assert Bidirectional(6, weak="x").choose(Candidates(ways, contrast=-weak), None).item() < 3


def test_where_the_weak_policy_does_the_same_the_plan_before_decides() -> None:
    """Of two chunks that are left each is as far from the other, whoever proposed it."""
    chunks, tail = torch.randn(30, 8, H, A), torch.randn(30, 4, A)
    index = Bidirectional(8, 1.0, 0.25, "x").choose(Candidates(chunks, contrast=chunks), tail)
    nearest = (chunks[:, :, :4] - tail[:, None]).norm(dim=-1).sum(-1).argmin(1)
    assert torch.equal(index, nearest)


def test_illegal_fields_are_named() -> None:
    assert "selection.decay = 0.0" in refusal(Bidirectional, decay=0.0)
    assert "selection.nearest = 1.5: must be in (0, 1]" in refusal(Bidirectional, nearest=1.5)
    assert "selection.num_candidates = 1: must be at least 2" in refusal(Bidirectional, num_candidates=1)


def test_it_needs_a_weak_policy_and_a_step_of_the_plan() -> None:
    assert Bidirectional(weak="x").contrast == "x" and Coherent().contrast == ""
    Bidirectional(weak="x").check(7, 6)
    with pytest.raises(ValueError, match=r"selection\.weak = '': must be the checkpoint of a weaker policy"):
        Bidirectional().check(7, 6)
    with pytest.raises(ValueError, match=r"n_action_steps = 7: with selection\.type=bidirectional"):
        Bidirectional(weak="x").check(7, 7)
    with pytest.raises(ValueError, match="the chunks of the weak policy were not told"):
        Bidirectional(2, weak="x").choose(Candidates(torch.zeros(1, 2, H, A)), None)
