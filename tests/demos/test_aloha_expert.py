"""The ALOHA expert succeeds, varies, repeats itself exactly, and its recordings are what the environment gives."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from lerobot_dp_plus.demos.aloha_episodes import FIRST_SEED, LAST_SEED, Recipe, environment_seed, generate
from lerobot_dp_plus.demos.aloha_expert import HandSimulation, draw_style, plan
from lerobot_dp_plus.demos.aloha_replay import play, rehearse
from lerobot_dp_plus.demos.aloha_waypoints import Hand, Pace, carried, facing, table_height, turned
from lerobot_dp_plus.environments.aloha_lite import AlohaLite
from lerobot_dp_plus.environments.aloha_physics import FPS, AlohaPhysics, sample_objects


def state_recipe(task: str, seed: int = 0) -> Recipe:
    return Recipe(task=task, seed=seed, camera="none", environment_state=True)


@pytest.mark.parametrize(("task", "index"), [("transfer_cube", 0), ("transfer_cube", 1), ("insertion", 0)])
def test_expert_succeeds_and_its_recording_is_what_the_environment_gives(task, index):
    recipe = state_recipe(task)
    episode = generate(recipe, index)
    assert episode.success and episode.completed.any()
    assert 100 < len(episode) < 400
    assert 5 <= len(episode) - 1 - episode.completed.argmax() < 20

    env = AlohaLite(task, obs_type="environment_state_agent_pos", success="completed")
    seen, _ = env.reset(seed=environment_seed(recipe, index))
    reached = []
    for step, action in enumerate(episode.action):
        np.testing.assert_array_equal(seen["agent_pos"], episode.state[step])
        np.testing.assert_array_equal(seen["environment_state"], episode.objects[step])
        seen, reward, _, _, info = env.step(action)
        assert reward == episode.reward[step]
        reached.append(info["is_success"])
    assert np.argmax(reached) == episode.completed.argmax()
    # No jumps (a wrist that flips makes 30 rad/s), grippers within their range.
    arms = [*range(6), *range(7, 13)]
    assert np.abs(np.diff(episode.state[:, arms], axis=0)).max() * FPS < 10
    assert episode.action[:, [6, 13]].min() >= -1e-6 and episode.action[:, [6, 13]].max() <= 1 + 1e-6


def test_an_episode_depends_on_its_recipe_and_index_only():
    first = generate(state_recipe("transfer_cube"), 3)
    other = generate(state_recipe("transfer_cube", seed=1), 3)
    again = generate(state_recipe("transfer_cube"), 3)
    np.testing.assert_array_equal(first.action, again.action)
    np.testing.assert_array_equal(first.state, again.state)
    length = min(len(first), len(other))
    assert np.abs(first.action[:length] - other.action[:length]).max() > 0.05


def test_styles_differ_and_stay_moderate():
    paces = [Pace.draw(np.random.default_rng(seed)) for seed in range(30)]
    assert len({(pace.reach, pace.lift, pace.grasp) for pace in paces}) > 20
    assert all(30 <= pace.reach <= 64 for pace in paces)
    meetings = np.array([draw_style("transfer_cube", np.random.default_rng(seed)).meeting for seed in range(30)])
    assert (meetings.std(axis=0) > 0.005).all() and (np.abs(meetings - [0, 0.5, 0.235]) < 0.05).all()


def test_seeds_of_the_environment_stay_clear_of_those_policies_are_judged_on():
    for run in (0, 7, 1234):
        seeds = [environment_seed(state_recipe("insertion", run), index) for index in range(100)]
        assert all(FIRST_SEED <= seed <= LAST_SEED < 93_000 for seed in seeds)
        assert len(set(seeds)) == 100


def test_rehearsing_makes_the_arms_follow_the_plan():
    objects = sample_objects("transfer_cube", 20_000)
    wanted = plan("transfer_cube", objects, draw_style("transfer_cube", np.random.default_rng(0)))
    physics = AlohaPhysics("transfer_cube")
    arms = [*range(6), *range(7, 13)]

    def error(actions: np.ndarray) -> float:
        after = np.concatenate([play(physics, objects, actions).state[1:], physics.joints[None]])
        return float(np.sqrt(np.mean((after - wanted)[:, arms] ** 2)))

    assert error(rehearse(physics, objects, wanted, rounds=1)) < 0.5 * error(wanted) < 0.02


def test_hands_start_where_the_grippers_are_and_stay_there():
    simulation = HandSimulation("insertion", sample_objects("insertion", 1))
    before = simulation.data.xpos[simulation.model.eq_obj2id].copy()
    for _ in range(20):
        simulation.step(*simulation.start)
    np.testing.assert_allclose(simulation.data.xpos[simulation.model.eq_obj2id], before, atol=2e-3)


def test_a_hand_reaches_a_pose_without_inverse_kinematics():
    simulation = HandSimulation("transfer_cube", sample_objects("transfer_cube", 1))
    left, right = simulation.start
    target = Hand(np.array([-0.1, 0.52, 0.25]), turned("left", -0.2, np.pi / 2), 1.0)
    for share in np.linspace(0, 1, 60):
        turn = Rotation.from_rotvec(share * (target.rotation * left.rotation.inv()).as_rotvec()) * left.rotation
        joints = simulation.step(Hand(left.position + share * (target.position - left.position), turn, 1.0), right)
    for _ in range(30):
        joints = simulation.step(target, right)
    reached = simulation._hand(0)
    np.testing.assert_allclose(reached.position, target.position, atol=2e-3)
    assert (reached.rotation * target.rotation.inv()).magnitude() < np.radians(2)
    assert joints[6] == 1.0 and np.isfinite(joints).all()


def test_geometry_of_hands():
    # Pitched straight down, either hand points at the table: forward is +x for the left, −x for the right.
    for side, forward in (("left", [1, 0, 0]), ("right", [-1, 0, 0])):
        np.testing.assert_allclose(turned(side, np.pi / 2).apply(forward), [0, 0, -1], atol=1e-12)
        aside = np.array([0.1, 0.6, 0.0]) if side == "right" else np.array([-0.1, 0.6, 0.0])
        foot = np.array([0.469 if side == "right" else -0.469, 0.5, 0.0])
        towards = turned(side, 0.0, yaw=facing(side, aside)).apply(forward)
        np.testing.assert_allclose(towards, (aside - foot) / np.linalg.norm(aside - foot), atol=1e-12)
    assert table_height(np.pi / 2, 0.004) == pytest.approx(0.023)

    hand = Hand(np.array([0.1, 0.5, 0.2]), turned("right", 1.2), 0.0)
    quarter = Rotation.from_euler("z", 90, degrees=True)
    held = np.concatenate([[0.12, 0.5, 0.18], quarter.as_quat(scalar_first=True)])
    moved = carried(hand, held, np.array([0.0, 0.4, 0.3]), Rotation.identity())
    back = quarter.inv()
    # The object's frame in the hand is the same before and after.
    np.testing.assert_allclose(back.apply(hand.position - held[:3]), moved.position - [0.0, 0.4, 0.3], atol=1e-12)
    assert ((back * hand.rotation).inv() * moved.rotation).magnitude() < 1e-12
