"""The table with three things: what follows from a seed, what a gripper can do, and an expert as the oracle."""

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from lerobot.envs.utils import env_to_policy_features, preprocess_observation

from lerobot_dp_plus.demos.blocks_episodes import Expert
from lerobot_dp_plus.environments.blocks import REACH, SPEED, TRAY, Blocks
from lerobot_dp_plus.environments.blocks_config import BlocksConfig
from lerobot_dp_plus.environments.sentences import COLOURS

MIDDLE = TRAY.mean(0)


def run(env: Blocks, expert: Expert, steps: int = 60) -> dict:
    for _ in range(steps):
        _, _, done, _, info = env.step(expert.act(env))
        if done:
            break
    return info


def test_a_seed_is_a_scene_and_a_sentence():
    observations = []
    for _ in range(2):
        env = Blocks()
        seen, info = env.reset(seed=7)
        observations.append((seen["pixels"], seen["agent_pos"], env.environment_state, env.task_description, info))
    for one, other in zip(*observations, strict=True):
        np.testing.assert_equal(one, other)
    assert not np.array_equal(env.reset(seed=8)[0]["pixels"], observations[0][0])
    sentences = {env.reset(seed=seed) and env.task_description for seed in range(20)}
    assert len(sentences) > 10, "every reset says something else"


def test_what_is_said_changes_nothing_but_the_sentence():
    env = Blocks()
    scenes = {}
    for kind in ("named", "swapped", "none", "ambiguous"):
        seen, info = env.reset(seed=3, options={"instruction": kind})
        scenes[kind] = (seen["pixels"], info["target"]), (env.task_description, info["named"])
    first = scenes["named"]
    assert all(np.array_equal(scene[0], first[0][0]) and scene[1] == first[0][1] for scene, _ in scenes.values())
    assert len({said[0] for _, said in scenes.values()}) == 4
    assert first[1][1] == first[0][1] != scenes["swapped"][1][1] and scenes["none"][1] == ("", -1)


def test_the_expert_brings_what_is_named():
    env = Blocks("environment_state_agent_pos")
    for seed in range(100):
        env.reset(seed=seed)
        info = run(env, Expert(env.said.named, MIDDLE))
        assert info["is_success"] and info["grasped"] == info["named"] == info["delivered"] == info["target"]


def test_another_thing_is_no_success_and_is_noticed():
    env = Blocks("environment_state_agent_pos")
    for seed in range(20):
        env.reset(seed=seed)
        wrong = (env.said.named + 1) % 3
        info = run(env, Expert(wrong, MIDDLE), 40)
        assert not info["is_success"] and info["grasped"] == info["delivered"] == wrong
        env.reset(seed=seed, options={"instruction": "none"})
        assert run(env, Expert(wrong, MIDDLE), 40)["is_success"], "without a sentence anything will do"


def test_what_a_gripper_can_do():
    env = Blocks("environment_state_agent_pos")
    env.reset(seed=0)
    start = env.gripper.copy()
    env.step(np.array([2.0, start[1], 0.0]))
    np.testing.assert_allclose(env.gripper, start + np.array([SPEED, 0]))
    env.places[0] = env.gripper + np.array([REACH + 0.01, 0])
    assert env.step(np.array([*env.gripper, 1.0]))[-1]["grasped"] == -1, "out of reach"
    env.places[0] = env.gripper
    assert env.step(np.array([*env.gripper, 1.0]))[-1]["grasped"] == -1, "it was closed before"
    env.step(np.array([*env.gripper, 0.0]))
    assert env.step(np.array([*env.gripper, 1.0]))[-1]["grasped"] == 0
    env.step(np.array([*(env.gripper + np.array([0, -0.05])), 1.0]))
    np.testing.assert_allclose(env.places[0], env.gripper, err_msg="what is held moves along")
    _, _, done, _, info = env.step(np.array([*env.gripper, 0.0]))
    assert not done and info["delivered"] == -1 and env.held == -1, "dropped beside the tray"


def test_the_picture_shows_things_where_they_are():
    env = Blocks(observation_size=96)
    for seed in range(5):
        env.reset(seed=seed)
        env.gripper = np.array([0.02, 0.02])
        picture = env.render().astype(int)
        for number, colour in enumerate(((205, 45, 40), (50, 160, 60), (45, 80, 200))):
            x, y, half = env.gaze(number)
            column, row = (int(place * 96) for place in (x, y))
            assert np.abs(picture[row, column] - colour).max() < 40, COLOURS[number]
            far = np.abs(picture - colour).max(2) < 40
            rows, columns = np.nonzero(far)
            inside = (abs(rows / 96 - y) <= half + 0.02) & (abs(columns / 96 - x) <= half + 0.02)
            assert inside.mean() > 0.95, "and the gaze box holds it"


@pytest.mark.parametrize("obs_type", ["pixels_agent_pos", "environment_state_agent_pos"])
def test_lerobot_makes_it_as_its_config_says(obs_type):
    config = BlocksConfig(obs_type=obs_type, observation_size=32, episode_length=5)
    vector = config.create_envs(2)["blocks"][0]
    observation, _ = vector.reset(seed=[1, 2])
    seen = preprocess_observation(observation)
    for key, feature in env_to_policy_features(config).items():
        if key != "action":
            assert tuple(seen[key].shape) == (2, *feature.shape), key
    sentences = vector.call("task_description")
    assert len(sentences) == 2 and all(sentences)
    for _ in range(5):
        _, _, _, cut, info = vector.step(np.zeros((2, 3), np.float32))
    assert cut.all() and info["final_info"]["is_success"].tolist() == [False, False]
    vector.close()


@pytest.mark.filterwarnings("ignore")
def test_gymnasium_finds_nothing_wrong():
    check_env(Blocks(observation_size=16), skip_render_check=True)
    check_env(Blocks("environment_state_agent_pos"), skip_render_check=True)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"obs_type": "smell"}, "obs_type='smell': legal are pixels_agent_pos"),
        ({"instruction": "shouted"}, "instruction='shouted': legal are named"),
        ({"observation_size": 4}, "observation_size=4: legal are 16 to 512"),
        ({"fps": 50}, "env.fps=50: the robot is controlled at 10"),
        ({"task": "push"}, "env.task='push': legal is bring"),
    ],
)
def test_illegal_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        BlocksConfig(**options)
