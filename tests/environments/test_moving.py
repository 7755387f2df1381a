"""A thing that is moved lies where it should, by the simulator's own state, and nowhere that something else is."""

import math

import gym_pusht  # noqa: F401  (registers PushT)
import gymnasium as gym
import numpy as np
import pytest

from lerobot_dp_plus.environments.blocks import Blocks
from lerobot_dp_plus.environments.moving import MOVERS, check_movable, moved


def pusht() -> gym.Env:
    env = gym.make("gym_pusht/PushT-v0", obs_type="environment_state_agent_pos")
    env.reset(seed=1)
    return env


def keypoints(env: gym.Env) -> np.ndarray:
    return env.unwrapped.get_obs()["environment_state"].reshape(8, 2)


def test_the_t_is_moved_by_so_many_pixels_and_not_turned() -> None:
    ways = []
    for seed in range(6):
        env = pusht()
        before, agent = keypoints(env), env.unwrapped.get_obs()["agent_pos"]
        assert moved(env, "pusht", 25.0, 0.0, np.random.default_rng(seed))
        offset = keypoints(env) - before
        np.testing.assert_allclose(offset, np.broadcast_to(offset[0], (8, 2)), atol=1e-9)
        assert np.linalg.norm(offset[0]) == pytest.approx(25)
        np.testing.assert_array_equal(env.unwrapped.get_obs()["agent_pos"], agent)
        ways.append(math.atan2(*offset[0]))
    assert np.ptp(ways) > 1, "in any direction"


def test_the_t_is_turned_about_its_centre_of_mass() -> None:
    env = pusht()
    block = env.unwrapped.block
    before, angle, centre = keypoints(env), block.angle, np.array(block.local_to_world(block.center_of_gravity))
    assert moved(env, "pusht", 0.0, 0.5, np.random.default_rng(0))
    turned = block.angle - angle
    assert abs(turned) == pytest.approx(0.5)
    c, s = math.cos(turned), math.sin(turned)
    np.testing.assert_allclose(keypoints(env), (before - centre) @ np.array([[c, s], [-s, c]]) + centre, atol=1e-9)


def test_walls_and_the_agent_are_never_overlapped() -> None:
    """Then the physics, left alone, does not move the T any more."""
    could = 0
    for seed in range(40):
        env = pusht()
        sim = env.unwrapped
        sim._set_state([*np.random.default_rng(seed).uniform(60, 450, 4), seed])
        sim.agent.velocity = (0, 0)
        for _ in range(20):  # whatever overlaps at the start is pushed apart
            sim.space.step(0.01)
        before = keypoints(env)
        if not moved(env, "pusht", 150.0, 0.0, np.random.default_rng(seed)):
            np.testing.assert_allclose(keypoints(env), before, atol=1e-9)
            continue
        could += 1
        placed = keypoints(env)
        assert np.linalg.norm(placed - before, axis=1) == pytest.approx(np.full(8, 150.0))
        for _ in range(2):  # the first one gives out what is left of an overlap before
            placed = keypoints(env)
            sim.block.velocity, sim.block.angular_velocity = (0, 0), 0
            sim.space.step(0.01)
        np.testing.assert_allclose(keypoints(env), placed, atol=1e-6)
    assert could > 30


def test_a_thing_of_blocks_is_moved_and_what_is_held_is_not() -> None:
    for seed in range(30):
        env = Blocks(obs_type="environment_state_agent_pos")
        env.reset(seed=seed)
        env.held = 1
        before, rest = env.places.copy(), env.agent_pos
        if moved(env, "blocks", 40.0, 0.0, np.random.default_rng(seed)):
            far = np.linalg.norm(env.places - before, axis=1)
            assert sorted(far)[:2] == [0, 0] and max(far) == pytest.approx(40 / 512) and far[1] == 0
            assert (np.linalg.norm(env.places[0] - env.places[2]) > env.sizes[0] + env.sizes[2]) and env.delivered == -1
        np.testing.assert_array_equal(env.agent_pos, rest)


def test_alohas_cube_is_moved_and_rests_there() -> None:
    pytest.importorskip("gym_aloha")
    from lerobot_dp_plus.environments.aloha_lite import AlohaLite

    env = AlohaLite("transfer_cube", obs_type="environment_state_agent_pos")
    for distance, angle in ((30.0, 0.0), (0.0, 0.7)):
        env.reset(seed=3)
        start = env.physics.joints.copy()
        start[[6, 13]] = 0.5
        for _ in range(20):
            env.step(start)
        before = env.physics.objects
        assert moved(env, "aloha_lite", distance, angle, np.random.default_rng(0))
        after = env.physics.objects
        assert np.linalg.norm(after[:2] - before[:2]) == pytest.approx(distance / 1000) and after[2] == before[2]
        overlap = abs(float(after[3:] @ before[3:]))  # |q·q'| = cos of half the angle between
        assert 2 * math.acos(min(1.0, overlap)) == pytest.approx(angle, abs=1e-6)
        for _ in range(20):
            env.step(start)
        np.testing.assert_allclose(env.physics.objects[:3], after[:3], atol=2e-3)


def test_a_cube_between_fingers_is_left_alone() -> None:
    pytest.importorskip("gym_aloha")
    from lerobot_dp_plus.environments.aloha_lite import AlohaLite

    env = AlohaLite("transfer_cube", obs_type="environment_state_agent_pos")
    env.reset(seed=3)
    physics = env.physics
    finger = physics.data.geom("vx300s_right/10_right_gripper_finger").xpos.copy()
    objects = physics.objects
    objects[:3] = finger
    physics.reset(objects)
    held = physics.objects
    assert not moved(env, "aloha_lite", 20.0, 0.0, np.random.default_rng(0))
    np.testing.assert_array_equal(physics.objects, held)


def test_pucks_are_moved_on_their_table() -> None:
    pytest.importorskip("metaworld")
    from lerobot_dp_plus.environments.pucks import ThreePucks

    env = ThreePucks(obs_type="environment_state_agent_pos")
    env.reset(seed=0)
    for _ in range(5):
        env.step(np.zeros(4))
    before = env.physics.data.qpos[9:30].reshape(3, 7)[:, :3].copy()
    assert moved(env, "three_pucks", 40.0, 0.0, np.random.default_rng(1))
    placed = env.physics.data.qpos[9:30].reshape(3, 7)[:, :3]
    far = np.linalg.norm(placed - before, axis=1)
    assert sorted(far)[:2] == [0, 0] and max(far) == pytest.approx(0.04)
    env.step(np.zeros(4))
    np.testing.assert_allclose(env.physics.places, placed, atol=2e-3)


def test_environments_without_such_a_thing_are_named() -> None:
    with pytest.raises(
        ValueError, match=r"env\.type=aloha: nothing can be moved there; legal are pusht, blocks, aloha_lite"
    ):
        check_movable("aloha")
    assert set(MOVERS) == {"pusht", "blocks", "aloha_lite", "three_pucks", "metaworld_lite"}
