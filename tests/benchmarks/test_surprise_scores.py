"""What `benchmarks.surprise` measures with."""

import gym_pusht  # noqa: F401  registers the environment
import gymnasium
import numpy as np
import pytest
import torch

from benchmarks import surprise, surprise_scores
from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.surprise import Evidence


def test_auroc_is_the_share_of_pairs_in_the_right_order() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 5, 40).astype(float), rng.integers(1, 4, 60).astype(float)
    pairs = (first[:, None] > second).mean() + (first[:, None] == second).mean() / 2
    assert surprise.auroc(first, second) == pytest.approx(pairs)
    told = surprise.auroc_of(list(enumerate(first)), list(enumerate(second)))
    assert told["auroc"] == pytest.approx(pairs) and told["low"] < pairs < told["high"]


def test_the_block_is_moved_by_as_much_as_is_said_and_stays_inside() -> None:
    env = gymnasium.make("gym_pusht/PushT-v0", obs_type="environment_state_agent_pos")
    rng, angles = np.random.default_rng(0), []
    for seed in range(12):
        env.reset(seed=seed)
        arena = env.unwrapped
        before, corners = np.array(arena.block.position), np.asarray(arena.get_obs()["environment_state"])
        assert surprise.move_block(env, rng)
        moved = np.array(arena.block.position) - before
        assert np.linalg.norm(moved) == pytest.approx(surprise.SHIFT)
        now = np.asarray(arena.get_obs()["environment_state"])
        np.testing.assert_allclose((now - corners).reshape(-1, 2), np.tile(moved, (8, 1)), atol=1e-6)
        assert now.min() >= surprise.LOW and now.max() <= surprise.HIGH
        angles.append(np.arctan2(*moved))
    assert np.ptp(angles) > 3
    env.close()


def test_the_other_scores_are_what_they_are_called() -> None:
    rows = torch.tensor([[[[0.0, 0.0], [0.0, 0.0]], [[6.0, 0.0], [6.0, 8.0]]]])  # (1, 2, 2, 2)
    tail = torch.zeros(1, 2, 2)
    evidence = Evidence(Candidates(rows, {"end": torch.tensor([[2.0, 1.0]])}), tail)
    assert surprise_scores.end_point(evidence).item() == 0
    assert surprise_scores.mean_distance(evidence).item() == pytest.approx(((36 + 100) / 4) ** 0.5)
    assert surprise_scores.good_half(evidence).item() == pytest.approx(((36 + 100) / 2) ** 0.5)
    spread = ((9 + 25) / 2) ** 0.5
    far = Evidence(Candidates(rows), tail - torch.tensor([3.0, 4.0]))
    assert surprise_scores.z_score(far).item() == pytest.approx(5 / (spread + surprise_scores.FLOOR))
    late = Evidence(Candidates(rows[:, :1]), torch.tensor([[[1.0, 0.0], [0.0, 2.0]]]))
    assert surprise_scores.late(late).item() == pytest.approx(((1 + 2 * 4) / 2) ** 0.5)
