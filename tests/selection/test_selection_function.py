"""A selection that a user wrote: it sees the candidates and the plan before, and what it says is checked."""

import pytest
import torch

from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.selection import Function

B, N, H, A = 3, 5, 8, 2
SEEN: list = []


def last_of_all(candidates, tail):
    SEEN.append((candidates, tail))
    return [N - 1] * len(candidates.chunks)


def too_far(candidates, tail):
    return torch.full((len(candidates.chunks),), N)


def too_few(candidates, tail):
    return torch.zeros(1, dtype=torch.int64)


def no_number(candidates, tail):
    return torch.zeros(len(candidates.chunks))


def path(function) -> str:
    return f"{__name__}:{function.__name__}"


def test_it_is_shown_the_candidates_and_the_plan_before() -> None:
    candidates, tail = Candidates(torch.randn(B, N, H, A), {"end": torch.zeros(B, N)}), torch.randn(B, 2, A)
    chosen = Function(N, path(last_of_all), asks=("end",))
    assert chosen.candidates == N and chosen.energies == ("end",)
    assert not chosen.needs_modes and Function(N, path(last_of_all), modes=True).needs_modes
    chosen.check(8, 4)
    assert chosen.choose(candidates, tail).tolist() == [N - 1] * B
    assert SEEN.pop() == (candidates, tail)


@pytest.mark.parametrize("function", [too_far, too_few, no_number])
def test_an_answer_that_is_no_candidate_is_refused(function) -> None:
    with pytest.raises(
        ValueError, match=rf"selection\.path = .*{function.__name__}: it gave .*3 whole numbers from 0 to 4"
    ):
        Function(N, path(function)).choose(Candidates(torch.randn(B, N, H, A)), None)


def test_a_function_that_is_not_there_is_refused_before_use() -> None:
    for where, said in (("", '"module:name"'), (f"{__name__}:nobody", "nobody")):
        with pytest.raises(ValueError, match=rf"selection\.path = .*{said}"):
            Function(N, where).check(8, 4)
    with pytest.raises(ValueError, match=r"selection\.num_candidates = 0"):
        Function(0)
