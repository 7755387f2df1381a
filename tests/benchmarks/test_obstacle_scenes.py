"""Obstacles on the agent's path: they leave room, they are where they are said to be, and their depth is counted right."""

import math

import numpy as np
import pytest
import shapely

from benchmarks import steering
from benchmarks.obstacle_scenes import (
    AGENT_RADIUS,
    APART,
    FROM_AGENT,
    FROM_BLOCK,
    KINDS,
    POST,
    RADIUS,
    Placed,
    _now,
    depth,
    place,
    tee,
)
from lerobot_dp_plus.demos.pusht_features import PushTEnv
from lerobot_dp_plus.demos.pusht_simulator import state_of


def path_of(seed: int) -> np.ndarray:
    """From where the agent starts across the arena, thirty control steps."""
    env = PushTEnv(obs_type="state")
    env.reset(seed=seed)
    start = np.array(env.agent.position)
    way = start + np.linspace(0, 1, 300)[:, None] * (512 - 2 * start + [40, 90])
    return way.reshape(30, 10, 2)


def test_a_tee_is_a_crossbar_and_a_stem() -> None:
    assert tee(100, 200, 0.3).is_valid and tee(100, 200, 0.3).area == pytest.approx(120 * 30 + 30 * 90)


@pytest.mark.parametrize("kind", KINDS)
def test_obstacles_leave_room_around_agent_block_and_goal(kind: str) -> None:
    found = 0
    for seed in range(90000, 90012):
        placed = place(kind, seed, path_of(seed))
        if placed is None:
            continue
        found += 1
        env = PushTEnv(obs_type="state")
        env.reset(seed=seed)
        state = state_of(env)
        outlines = shapely.union(tee(*state.block), tee(256, 256, math.pi / 4))
        less = RADIUS - POST if kind == "fence" else 0
        for x, y, radius, *velocity in placed.discs:
            assert radius == (POST if kind == "fence" else RADIUS)
            assert np.hypot(*(state.agent - [x, y])) >= FROM_AGENT - less
            assert any(velocity) == (kind == "moving")
            if kind != "moving":
                assert outlines.distance(shapely.Point(x, y)) >= FROM_BLOCK - less
        if kind in ("two", "three"):
            assert len(placed.discs) == {"two": 2, "three": 3}[kind]
            places = placed.discs[:, :2]
            gaps = [np.hypot(*(a - b)) for i, a in enumerate(places) for b in places[:i]]
            assert min(gaps) >= APART
        again = place(kind, seed, path_of(seed))
        assert np.array_equal(again.discs, placed.discs), "a seed says it all"
    assert found >= 3


def test_depth_is_how_far_the_agents_disc_is_inside() -> None:
    way = np.zeros((2, 10, 2))
    way[..., 0] = np.arange(20).reshape(2, 10)
    still = Placed(np.array([[30.0, 0.0, 10.0, 0.0, 0.0]]), 1)
    assert depth(way, still) == pytest.approx(10 + AGENT_RADIUS - 11)
    # It comes nearer by 5 in each of two control steps: at the last sub-step it is at 20, and the agent at 19.
    moving = Placed(np.array([[30.0, 0.0, 10.0, -5.0, 0.0]]), 1)
    assert depth(way, moving) == pytest.approx(10 + AGENT_RADIUS - 1)


def test_the_policy_is_told_where_they_are_at_each_step() -> None:
    placed = [
        Placed(np.array([[10.0, 20.0, 5.0, 1.0, -2.0]]), 1),
        Placed(np.array([[1.0, 2.0, 5.0, 0.0, 0.0], [3.0, 4.0, 5.0, 0.0, 0.0]]), 1),
    ]
    told = _now(placed, 3)
    assert told.shape == (2, 2, 5)
    assert told[0, 0].tolist() == [13.0, 14.0, 5.0, 1.0, -2.0] and told[0, 1, 0] < -1000
    assert told[1].tolist() == placed[1].discs.tolist()


def test_the_benchmark_prints_what_it_measured(monkeypatch, tmp_path, capsys) -> None:
    monkeypatch.setattr("benchmarks.obstacle_scenes.STEPS", 12)
    path = tmp_path / "steering.json"
    monkeypatch.setattr(steering, "provenance", lambda path, **more: more)
    usual = steering.run
    monkeypatch.setattr(steering, "run", lambda made, seeds, placed=None: usual(made, seeds, placed, steps=12))
    options = ["--episodes=2", "--kinds", "one", "--rules", "none", "projection", f"--json={path}"]
    assert steering.main(options) == 0
    assert "projection, one" in capsys.readouterr().out and path.exists()
