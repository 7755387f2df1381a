"""Forks are their own mirror images, for gym_pusht itself, and need a way round."""

import json
import math

import numpy as np
import pytest
import torch

from benchmarks.fork_modes import main, null_of
from benchmarks.forks import BORDER, FREE, MOVED, around, is_fork, side
from lerobot_dp_plus.augmentation.pusht_mirror import ENVIRONMENT_STATE, STATE, mirror
from lerobot_dp_plus.demos.pusht_features import PushTEnv
from lerobot_dp_plus.demos.pusht_model import GOAL, RADIUS
from lerobot_dp_plus.demos.pusht_simulator import simulate, state_of

SEEDS = range(90_000, 90_030)


def seen(state: np.ndarray) -> tuple[PushTEnv, torch.Tensor, torch.Tensor]:
    """gym_pusht at a reset state, where its agent is, and its keypoints."""
    env = PushTEnv(obs_type="environment_state_agent_pos")
    observation, _ = env.reset(seed=0, options={"reset_to_state": state})
    return env, torch.tensor(observation["agent_pos"]), torch.tensor(observation["environment_state"])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_fork_is_its_own_mirror_image(seed: int) -> None:
    env, agent, corners = seen(around(seed))
    assert torch.equal(mirror(STATE, agent), agent)
    torch.testing.assert_close(mirror(ENVIRONMENT_STATE, corners), corners, rtol=0, atol=1e-12)
    goal = torch.tensor(env.goal_pose[:2])
    assert torch.equal(mirror(STATE, goal), goal) and env.goal_pose[2] == math.pi / 2 - env.goal_pose[2]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_fork_is_valid_and_at_rest(seed: int) -> None:
    env, agent, corners = seen(around(seed))
    assert corners.min() >= BORDER and corners.max() <= 512 - BORDER
    contact = [shape.point_query(tuple(agent.tolist())).distance for shape in env._block_shapes]
    assert min(contact) - RADIUS >= FREE - 1e-6
    state = state_of(env)
    assert env.block.angle == pytest.approx(GOAL[2], abs=1e-12) and not state.velocity.any()
    way = GOAL[:2] - state.pose[:2]
    assert MOVED[0] <= np.linalg.norm(way) <= MOVED[1]
    stay = simulate(state, np.tile(agent.numpy(), (2, 1)))
    np.testing.assert_allclose(stay.block[-1], state.block, atol=1e-9)
    # Straight on to the T moves it away from the goal.
    pushed = simulate(state, np.linspace(agent.numpy(), state.pose[:2], 20)).last.pose
    assert np.linalg.norm(GOAL[:2] - pushed[:2]) > np.linalg.norm(way) + 1


def test_a_seed_is_a_fork() -> None:
    assert np.array_equal(around(7), around(7))
    assert len({tuple(around(seed)) for seed in SEEDS}) == len(SEEDS)


def test_jitter_is_how_far_agent_and_block_lie_off_the_line() -> None:
    exact, off = (np.array([around(seed, jitter) for seed in range(400)]) for jitter in (0.0, 3.0))
    moved = off - exact
    np.testing.assert_allclose(moved[:, [0, 2]], moved[:, [1, 3]], atol=1e-9)  # across the line
    assert not moved[:, 4].any() and abs(np.corrcoef(moved[:, 0], moved[:, 2])[0, 1]) < 0.15
    for axis in (0, 2):
        assert (math.sqrt(2) * moved[:, axis]).std() == pytest.approx(3, rel=0.1)
    for jitter in (-1.0, math.nan):
        with pytest.raises(ValueError, match=f"jitter = {jitter}: must be at least 0 pixels"):
            around(0, jitter)


@pytest.mark.parametrize(
    ("agent", "centre", "fork"),
    [
        ((356, 156), (160, 352), True),
        ((60, 452), (160, 352), False),  # behind the T: only straight on
        ((210, 302), (160, 352), False),  # close to the T
        ((356, 156), (240, 272), False),  # hardly a way to go
        ((356, 156), (100, 412), False),  # in the corner
    ],
)
def test_what_is_a_fork(agent: tuple[float, float], centre: tuple[float, float], fork: bool) -> None:
    assert is_fork(np.array(agent, float), np.array(centre, float)) is fork


def test_the_side_is_that_of_the_largest_deviation() -> None:
    on = np.linspace((100, 412), (400, 112), 7)
    assert side(on) == 0
    chunks = np.stack([on, on, on])
    chunks[0, 3] += (40, 20)
    chunks[1, 1] += 5
    chunks[1, 5] -= 6
    assert side(chunks).tolist() == [1, -1, 0]
    mirrored = np.stack([512 - chunks[..., 1], 512 - chunks[..., 0]], axis=-1)
    assert side(mirrored).tolist() == [-1, 1, 0]


def test_the_null_has_the_mean_and_covariance_of_the_points() -> None:
    points = torch.randn(2, 20, 3) @ torch.randn(3, 3) + 5
    null = null_of(points, torch.Generator().manual_seed(0))
    torch.testing.assert_close(null.mean(1), points.double().mean(1))
    for a, b in zip(null, points.double(), strict=True):
        torch.testing.assert_close(a.T.cov(), b.T.cov())
    assert (null - points).abs().max() > 0.5


def test_it_measures(tmp_path) -> None:
    assert main(["--forks", "2", "--seed", "90000", "--candidates", "16", "--json", str(tmp_path / "forks.json")]) == 0
    ways = json.loads((tmp_path / "forks.json").read_text())["ways"]
    assert ways["mirrored, same noise"]["positive"] == [0.5, 0.5]
    assert {len(values) for found in ways.values() for values in found.values()} == {2}
