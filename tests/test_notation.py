"""Rows of conditions and candidates: what belongs together stays together."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from lerobot_dp_plus.notation import Candidates, map_rows, per_sample, repeat_rows, take_rows, tile_rows

B, N, H, A = 3, 4, 5, 2


def nested() -> list:
    """A condition with everything a network may put into one."""
    return [torch.randn(B, 2), (torch.arange(B), None, [torch.rand(B, 3, 4) < 0.5]), ()]


def leaves(condition) -> list[Tensor | None]:
    if isinstance(condition, tuple | list):
        return [leaf for part in condition for leaf in leaves(part)]
    return [condition]


def shape_of(condition):
    """The condition with its tensors left out."""
    return type(condition)(map(shape_of, condition)) if isinstance(condition, tuple | list) else type(condition)


@pytest.mark.parametrize(
    ("change", "rows"),
    [
        (lambda condition: take_rows(condition, 2), [0, 1]),
        (lambda condition: repeat_rows(condition, 1), [0, 1, 2]),
        (lambda condition: repeat_rows(condition, 3), [0, 0, 0, 1, 1, 1, 2, 2, 2]),
        (lambda condition: tile_rows(condition, 1), [0, 1, 2]),
        (lambda condition: tile_rows(condition, 3), [0, 1, 2, 0, 1, 2, 0, 1, 2]),
        (lambda condition: map_rows(condition, lambda value: value.flip(0)), [2, 1, 0]),
    ],
    ids=["take", "repeat one", "repeat", "tile one", "tile", "map"],
)
def test_every_tensor_of_a_condition_has_the_rows_that_are_asked_for(change: Callable, rows: list[int]) -> None:
    before = nested()
    after = change(before)
    assert shape_of(after) == shape_of(before)
    for old, new in zip(leaves(before), leaves(after), strict=True):
        assert (old is None and new is None) or torch.equal(new, old[rows])


def test_a_condition_of_nothing_stays_nothing() -> None:
    assert repeat_rows(None, 3) is None and tile_rows((), 3) == () and take_rows([None], 2) == [None]


def proposed() -> Candidates:
    energies = {"end": torch.randn(B, N), "smoothness": torch.randn(B, N)}
    return Candidates(
        torch.randn(B, N, H, A),
        energies,
        log_prob=torch.randn(B, N),
        mode=torch.randint(3, (B, N)),
        noise=torch.randn(B, N, H, A),
    )


def test_all_that_is_known_of_a_candidate_goes_with_it() -> None:
    every, index = proposed(), torch.tensor([3, 0, 2])
    one = every.at(index)
    assert set(one.energies) == {"end", "smoothness"}
    for row, chosen in enumerate(index.tolist()):
        for found, value in (
            (one.chunks, every.chunks),
            (one.log_prob, every.log_prob),
            (one.mode, every.mode),
            (one.noise, every.noise),
            *((one.energies[name], every.energies[name]) for name in every.energies),
        ):
            assert found.shape == (B, 1, *value.shape[2:]) and found.dtype == value.dtype
            assert torch.equal(found[row, 0], value[row, chosen])


def test_what_is_not_known_stays_unknown() -> None:
    one = Candidates(torch.randn(B, N, H, A)).at(torch.zeros(B, dtype=torch.int64))
    assert one.energies == {} and one.log_prob is None and one.mode is None and one.noise is None


def test_steps_that_are_past_are_left_out_of_chunks_alone() -> None:
    every = proposed()
    later = every.from_step(2)
    assert torch.equal(later.chunks, every.chunks[:, :, 2:])
    assert later[1:] == every[1:]
    assert torch.equal(every.from_step(0).chunks, every.chunks)


def test_a_time_of_each_sample_or_each_step_broadcasts_against_a_chunk() -> None:
    chunk, of_samples, of_steps = torch.randn(B, H, A), torch.randn(B), torch.randn(B, H)
    assert torch.equal(per_sample(of_samples, chunk) * chunk, torch.einsum("b,bha->bha", of_samples, chunk))
    assert torch.equal(per_sample(of_steps, chunk) * chunk, torch.einsum("bh,bha->bha", of_steps, chunk))
