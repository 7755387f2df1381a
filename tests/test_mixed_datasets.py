"""Several datasets as a user writes them, and how often each is gone through."""

import numpy as np
import pytest

from lerobot_dp_plus.mixtures import TOLERANCE, Entry, entries, repeats


def test_one_dataset_is_no_list() -> None:
    assert entries("lerobot/pusht") is None


@pytest.mark.parametrize("said", ["[pusht=data/a:2,user/b]", "['pusht=data/a:2', 'user/b']"])
def test_names_places_and_weights(said: str) -> None:
    assert entries(said) == (Entry("pusht", "data/a", 2.0), Entry("b", "user/b", 1.0))


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("[a:0,b]", "the weight '0' of a"),
        ("[a:-1,b]", "the weight '-1' of a"),
        ("[a:many,b]", "the weight 'many' of a"),
        ("[a:inf,b]", "the weight 'inf' of a"),
        ("[a,,b]", "names no dataset"),
        ("[=a,b]", "names no dataset"),
        ("[a,b", "not closed"),
        ("[x/a,y=x/a]", "x/a is there twice"),
    ],
)
def test_what_is_no_list_of_datasets_is_refused_by_name(said: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        entries(said)


@pytest.mark.parametrize(
    ("sizes", "weights"), [([100, 100], [1, 1]), ([20_000, 10_000], [1, 1]), ([7_313, 999, 48_211], [1, 2, 0.5])]
)
def test_shares_are_the_weights(sizes: list[int], weights: list[float]) -> None:
    counts = repeats(sizes, weights)
    assert min(counts) >= 1
    shares = np.array(counts) * sizes / (np.array(counts) @ sizes)
    np.testing.assert_allclose(shares, np.array(weights) / sum(weights), rtol=TOLERANCE)


def test_no_more_repeats_than_it_takes() -> None:
    assert repeats([20_000, 10_000], [1, 1]) == (1, 2)
    assert repeats([300, 100], [3, 1]) == (1, 1)
