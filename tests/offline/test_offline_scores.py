"""Scores against closed forms: Gaussians that are right, too narrow and too wide, and order statistics."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from lerobot_dp_plus.offline.draws import Draws
from lerobot_dp_plus.offline.options import numbers
from lerobot_dp_plus.offline.scores import best_of, score
from lerobot_dp_plus.offline.verdict import calibration, learned, verdict

MOMENTS, COUNT, STEPS, WIDTH = 4000, 19, 3, 2


def gaussian(width: float = 1.0, off: float = 0.0, episodes: int = 40) -> Draws:
    """y ~ N(μ, 1) with μ ~ N(0, 3²) that the policy knows; candidates ~ N(μ + off, width²)."""
    rng = np.random.default_rng(0)
    known = 3 * rng.normal(size=(MOMENTS, 1, STEPS, WIDTH))
    truth = (known + rng.normal(size=known.shape))[:, 0]
    chunks = known + off + width * rng.normal(size=(MOMENTS, COUNT, STEPS, WIDTH))
    return Draws(chunks, truth, np.ones((MOMENTS, STEPS), bool), None, np.arange(MOMENTS) % episodes, 0.1)


def test_candidates_of_the_same_kind_are_calibrated() -> None:
    found = score(gaussian())
    assert found.ratio == pytest.approx(1.0, abs=0.02)
    np.testing.assert_allclose(found.nominal, [1 - k / 10 for k in range(1, 10)])
    np.testing.assert_allclose(found.coverage, found.nominal, atol=0.02)
    np.testing.assert_allclose(found.spread, math.sqrt(10), rtol=0.03)
    # The difference of two N(μ, 1) is N(0, 2), whose mean size is 2/√π; CRPS of N(0, 1) at N(0, 1) is 1/√π.
    np.testing.assert_allclose(found.error, 2 / math.sqrt(math.pi), rtol=0.03)
    np.testing.assert_allclose(found.crps, 1 / math.sqrt(math.pi), rtol=0.04)
    # The mean of N candidates is off by N(0, 1 + 1/N).
    np.testing.assert_allclose(found.middle, math.sqrt(1 + 1 / COUNT), rtol=0.03)
    assert found.relative == pytest.approx(2 / math.sqrt(math.pi) / math.sqrt(10), rel=0.03)
    assert found.interval is not None and found.interval[0] < found.relative < found.interval[1]
    assert "can be believed" in calibration(found)


@pytest.mark.parametrize(("width", "words"), [(0.3, "too sure"), (3.0, "too unsure")])
def test_candidates_too_near_and_too_far_are_told(width: float, words: str) -> None:
    found = score(gaussian(width))
    exact = math.sqrt((1 + 1 / COUNT) * width**2) / math.sqrt(1 + width**2 / COUNT)
    assert found.ratio == pytest.approx(exact, rel=0.03) and words in calibration(found)
    assert (found.coverage > found.nominal).all() == (width > 1)


def test_the_right_distribution_has_the_least_crps() -> None:
    right, *wrong = (score(gaussian(*each)).crps.mean() for each in ((1.0,), (0.3,), (3.0,), (1.0, 1.0)))
    assert right < min(wrong)


def test_the_best_of_n_is_the_mean_over_all_choices() -> None:
    rng = np.random.default_rng(1)
    off, valid = np.abs(rng.normal(size=(5, 6, 2, 3))), np.ones((5, 2), bool)
    valid[3, 1] = False
    moving = np.array([True, False, True])
    distance = np.stack([
        np.sqrt((off[m][:, valid[m]][..., moving] ** 2).mean((1, 2))) for m in range(5)
    ])  # fmt: skip
    for n in range(1, 7):
        every = [distance[:, list(chosen)].min(1).mean() for chosen in itertools.combinations(range(6), n)]
        assert best_of(off, valid, moving)[n - 1] == pytest.approx(np.mean(every))


def test_padded_steps_and_still_dimensions_count_nothing() -> None:
    made = gaussian()
    valid = made.valid.copy()
    valid[::2, 1:] = False
    chunks, truth = made.chunks.copy(), made.truth.copy()
    chunks[~np.broadcast_to(valid[:, None, :], chunks.shape[:3])] = 1e9
    still = np.concatenate([truth, np.full((*truth.shape[:2], 1), 7.0)], 2)
    wide = np.concatenate([chunks, np.full((*chunks.shape[:3], 1), 8.0)], 3)
    one, other = score(replace(made, valid=valid)), score(replace(made, chunks=wide, truth=still, valid=valid))
    assert other.moving.tolist() == [True, True, False]
    assert other.relative == pytest.approx(one.relative) and other.ratio == pytest.approx(one.ratio)
    np.testing.assert_allclose(other.best, one.best)
    np.testing.assert_allclose(other.error[:, 2], 1.0)


def test_an_episode_that_is_met_exactly_is_learned() -> None:
    made = gaussian()
    exact = score(replace(made, chunks=np.repeat(made.truth[:, None], COUNT, 1), before=made.truth[:, 0]))
    assert exact.relative == 0 and learned(exact)[0] and "0.0 % of the spread" in learned(exact)[1]
    assert exact.repeating is not None and exact.repeating[0].max() == 0 and exact.repeating[1].min() > 1
    assert not learned(score(gaussian(0.1)))[0] and any(
        "no better than repeating" in each for each in verdict(exact, 1)
    )


def test_nothing_to_tell_is_said() -> None:
    made = gaussian()
    with pytest.raises(ValueError, match="no moment has an action inside its episode"):
        score(replace(made, valid=np.zeros_like(made.valid)))
    with pytest.raises(ValueError, match="never move"):
        score(replace(made, truth=np.zeros_like(made.truth)))


def test_episodes_are_numbers_and_ranges() -> None:
    assert numbers("3,7,40-43,7") == [3, 7, 40, 41, 42, 43] and numbers("[0]") == [0]
    for wrong in ("", "a", "3-", "9-2", "1,,2"):
        with pytest.raises(ValueError, match="expected numbers and ranges"):
            numbers(wrong)
