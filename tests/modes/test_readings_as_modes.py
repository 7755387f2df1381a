"""Readings as modes: a chunk is of the sentence that it was drawn for, and ways are called by their sentences."""

import pytest
import torch

from lerobot_dp_plus.modes import Readings
from lerobot_dp_plus.notation import Scene


def test_modes_are_the_readings_in_their_own_order() -> None:
    torch.manual_seed(0)
    chunks, drawn = torch.randn(2, 6, 4, 2), torch.tensor([[0, 0, 1, 1, 1, 2], [0, 0, 0, 1, 1, 1]])
    found = Readings().of(chunks, drawn=drawn)
    assert torch.equal(found.mode, drawn)
    torch.testing.assert_close(found.weights, torch.tensor([[2, 3, 1], [3, 3, 0]]) / 6)
    ends = chunks[0, 2:5, -1]
    torch.testing.assert_close(found.centres[0, 1], ends.mean(0))
    assert int(found.nearest[0, 1]) == 2 + int((ends - ends.mean(0)).norm(dim=1).argmin())
    assert found.nearest[0, 2] == 5, "the only one"


def test_without_readings_there_is_one_mode() -> None:
    found = Readings().of(torch.randn(1, 5, 4, 2))
    assert found.weights.tolist() == [[1.0]] and found.mode.tolist() == [[0] * 5]


def test_ways_are_called_by_their_sentences() -> None:
    alike, apart = Scene(readings=[("a", "b")]), Scene(readings=[("a", "b"), ("c",)])
    assert [Readings().called(alike, row) for row in range(2)] == [("a", "b"), ("a", "b")]
    assert [Readings().called(apart, row) for row in range(2)] == [("a", "b"), ("c",)]
    assert Readings().called(Scene(), 0) == ()


def test_points_alone_do_not_tell_them() -> None:
    with pytest.raises(ValueError, match=r"modes\.type = readings knows modes by how chunks were drawn"):
        Readings().find(torch.randn(1, 4, 2))
