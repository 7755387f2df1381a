"""The quasi-static model against gym_pusht's physics, and the geometry both share."""

import numpy as np
import pytest
from gym_pusht.envs.pusht import PushTEnv

from lerobot_dp_plus.demos import pusht_model as model
from lerobot_dp_plus.demos.pusht_motion import Pace, follow
from lerobot_dp_plus.demos.pusht_moves import NODES, continuations, library, visible, way, way_lengths
from lerobot_dp_plus.demos.pusht_simulator import State, simulate, state_of


def test_geometry_is_the_simulators():
    env = PushTEnv()
    env.reset(seed=0)
    assert (env.block.mass, env.block.moment) == (model.MASS, model.INERTIA)
    np.testing.assert_array_equal(env.block.center_of_gravity, model.CENTRE)
    (disc,) = env.agent.shapes
    assert disc.radius == model.RADIUS
    block = state_of(env).block
    pose = model.pose_of_block(block)
    np.testing.assert_allclose(pose[:2], env.block.local_to_world(env.block.center_of_gravity), atol=1e-9)
    np.testing.assert_allclose(model.block_of_pose(pose), block, atol=1e-9)
    np.testing.assert_allclose(model.block_of_pose(model.GOAL), env.goal_pose, atol=1e-9)


def test_coverage_near_the_goal_is_the_simulators():
    env = PushTEnv()
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for offset in rng.uniform(-1, 1, (30, 3)) * [2.5, 2.5, 0.04]:
        pose = model.GOAL + offset
        block = model.block_of_pose(pose)
        env.block.angle = block[2]
        env.block.position = tuple(block[:2])
        assert model.coverage_near_goal(pose[None])[0] == pytest.approx(env._get_coverage(), abs=0.006)


def test_clearance_is_the_distance_pymunk_measures():
    env = PushTEnv()
    env.reset(seed=0)
    pose = state_of(env).pose
    points = np.random.default_rng(1).uniform(0, 512, (300, 2))
    ours, out = model.clearance(model.to_frame(points, pose))
    theirs = [min(shape.point_query(tuple(point)).distance for shape in env.block.shapes) for point in points]
    outside = ours > 0
    assert outside.sum() > 200
    np.testing.assert_allclose(ours[outside], np.array(theirs)[outside], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(out, axis=-1), 1, atol=1e-9)


def test_model_follows_pymunk_over_short_pushes():
    """Keypoint error after 30 px of pushing: half below 0.5 px, nine in ten below 1.5 px."""
    rng = np.random.default_rng(0)
    book = library()
    errors = []
    for push in rng.choice(len(book.contact), 60, replace=False):
        pose = np.array([256, 256, rng.uniform(-np.pi, np.pi)])
        start = model.to_arena(book.approach[book.contact[push]], pose)
        end = model.to_arena(book.approach[book.contact[push]] + 36 * book.direction[push], pose)
        state = State(start, np.zeros(2), model.block_of_pose(pose))
        targets = follow(np.stack([start, end]), np.array([6.0]), np.zeros(2))
        run = simulate(state, targets, stop_at=2)
        knots = np.concatenate([start[None], run.agent])
        shares = (np.arange(5) + 1) / 5
        path = (knots[:-1, None] + np.diff(knots, axis=0)[:, None] * shares[:, None]).reshape(1, -1, 2)
        ours, theirs = model.push(pose, path)[0, -1], run.last.pose
        errors.append(np.linalg.norm(ours[:2] - theirs[:2]) + model.GYRATION * abs(ours[2] - theirs[2]))
    assert np.median(errors) < 0.5
    assert np.quantile(errors, 0.9) < 1.5


def test_library_is_the_model_in_any_frame():
    """A push from the library, composed with a pose, is what the model gives in the arena."""
    book = library()
    pose = np.array([300.0, 200.0, 2.0])
    push, travel = 17, 20
    steps = np.arange(1, int(book.travel[travel]) + 1)
    start = book.approach[book.contact[push]]
    path = model.to_arena(start + book.direction[push] * steps[:, None], pose)
    arena = model.push(pose, path[None])[0, -1]
    np.testing.assert_allclose(model.compose(pose, book.motion[push, travel]), arena, atol=1e-8)
    np.testing.assert_allclose(model.to_arena(book.end[push, travel], pose), path[-1], atol=1e-8)


def test_continuing_from_an_approach_point_is_the_librarys_push():
    book = library()
    point = book.approach[10]
    push = 10 * (len(book.contact) // len(book.approach))  # straight along the inward normal
    on = continuations(point[None])
    assert on.possible[0] or model.clearance(point)[0] >= 21
    np.testing.assert_allclose(on.direction[0, 0], book.direction[push], atol=1e-9)
    np.testing.assert_allclose(on.motion[0, 0], book.motion[push], atol=0.3)


def test_ways_keep_clear_of_the_t():
    rng = np.random.default_rng(2)
    book = library()
    agents = rng.uniform(-200, 200, (40, 2))
    agents = agents[model.clearance(agents)[0] > 22]
    lengths = way_lengths(agents)
    assert np.isfinite(lengths).all()
    for agent, row in zip(agents, lengths, strict=True):
        contact = int(rng.integers(len(book.approach)))
        points = np.concatenate([agent[None], way(agent, book.approach[contact])])
        assert np.linalg.norm(np.diff(points, axis=0), axis=1).sum() == pytest.approx(row[contact], abs=1e-6)
        dense = points[:-1, None] + np.diff(points, axis=0)[:, None] * np.linspace(0, 1, 50)[:, None]
        assert model.clearance(dense)[0].min() > model.RADIUS + 3
    assert not visible(np.array([0.0, -100.0]), np.array([0.0, 130.0]))
    assert model.clearance(NODES)[0].min() > model.RADIUS + 3


def test_targets_make_the_agent_walk_the_path():
    """Closed-form targets: the controller follows within a pixel, never above the limit, and stops at the end."""
    path = np.array([[100.0, 100.0], [200.0, 100.0], [200.0, 160.0]])
    pace = Pace(10, 6, 4)
    targets = follow(path, np.array([pace.free, pace.push]), np.zeros(2))
    far = State(path[0], np.zeros(2), np.array([400.0, 400.0, 0.0]))
    run = simulate(far, targets)
    assert np.linalg.norm(run.agent[-1] - path[-1]) < 1
    knots = np.concatenate([path[:1], run.agent])
    assert np.linalg.norm(np.diff(knots, axis=0), axis=1).max() < pace.free + 1.5
    dense = np.concatenate([np.linspace(*path[:2], 200), np.linspace(*path[1:], 200)])
    off = np.linalg.norm(run.agent[:, None] - dense, axis=-1).min(axis=1)
    assert off.max() < 3  # at the corner; on the straights it is a fraction of this
    assert np.median(off) < 0.5


def test_simulator_is_gym_pushts():
    env = PushTEnv()
    env.reset(seed=3)
    state = state_of(env)
    targets = np.linspace(state.agent, state.block[:2], 25)
    run = simulate(state, targets)
    for index, target in enumerate(targets):
        env.step(target)
        np.testing.assert_allclose(run.agent[index], env.agent.position, atol=1e-9)
        np.testing.assert_allclose(run.block[index, :2], env.block.position, atol=0.2)
        assert run.block[index, 2] == pytest.approx(env.block.angle, abs=0.005)
