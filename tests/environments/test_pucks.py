"""Three pucks on MetaWorld's table: seeds, sentences, the packaged expert as the oracle, and where the gaze is."""

import numpy as np
import pytest

pytest.importorskip("metaworld")

from lerobot_dp_plus.demos.metaworld_episodes import PUCKS, expert_action
from lerobot_dp_plus.environments.pucks import APART, ThreePucks
from lerobot_dp_plus.environments.pucks_config import ThreePucksConfig
from lerobot_dp_plus.environments.pucks_physics import NAMES, RADIUS, RGB
from lerobot_dp_plus.environments.sentences import COLOURS


@pytest.fixture(scope="module")
def env() -> ThreePucks:
    return ThreePucks("environment_state_agent_pos", observation_size=96)


def play(env: ThreePucks, steps: int = 60) -> dict:
    for _ in range(steps):
        _, _, done, _, info = env.step(expert_action(env, PUCKS))
        if done:
            break
    return info


def test_pucks_are_alike_and_lie_still(env):
    model = env.physics.model
    first = model.body(NAMES[0])
    for name in NAMES:
        body = model.body(name)
        for value in ("mass", "inertia", "ipos", "iquat"):
            np.testing.assert_array_equal(getattr(body, value), getattr(first, value))
    env.reset(seed=0)
    before = env.physics.places.copy()
    for _ in range(20):
        env.step(np.zeros(4))
    np.testing.assert_allclose(env.physics.places, before, atol=5e-4)


def test_the_expert_brings_what_is_named_and_moves_nothing_else(env):
    for seed in range(6):
        env.reset(seed=seed)
        before = env.physics.places.copy()
        info = play(env)
        assert info["is_success"] and info["named"] == info["grasped"] == info["delivered"] == info["target"]
        others = [number for number in range(3) if number != info["named"]]
        assert np.abs(env.physics.places - before)[others].max() < 0.03


def test_a_seed_is_a_scene_whatever_is_said_and_whatever_was_before(env):
    scenes = []
    for kind in ("named", "swapped", "none"):
        seen, info = env.reset(seed=5, options={"instruction": kind})
        scenes.append((*seen.values(), info["target"]))
        env.step(np.ones(4))
    for other in scenes[1:]:
        for one, value in zip(scenes[0], other, strict=True):
            np.testing.assert_array_equal(one, value)
    starts = np.array([env.reset(seed=seed)[0]["environment_state"] for seed in range(10)])
    places = starts[:, :9].reshape(-1, 3, 3)
    apart = np.linalg.norm(places[:, :, None] - places[:, None], axis=3) + np.eye(3)
    assert apart.min() >= APART and len(np.unique(places[:, 0, 0])) == 10


def test_sentences_speak_of_the_mark_and_another_puck_is_no_success(env):
    env.reset(seed=2)
    assert any(colour in env.task_description for colour in COLOURS)
    sentences = [env.reset(seed=seed) and env.task_description for seed in range(8)]
    assert any("mark" in said for said in sentences) and not any("tray" in said for said in sentences)
    env.reset(seed=2, options={"instruction": "swapped"})
    info = play(env, 40)  # the expert brings the scene's puck, and the sentence names another
    assert not info["is_success"] and info["delivered"] == info["grasped"] == info["target"] != info["named"]


def test_the_gaze_is_where_the_puck_is_in_the_picture(env):
    for seed in range(3):
        env.reset(seed=seed)
        picture = env.render().astype(float)
        assert picture.shape == (96, 96, 3) and picture.std() > 10
        for number, rgb in enumerate(RGB):
            x, y, half = env.gaze(number)
            column, row = int(x * 96), int(y * 96)
            inside = picture[row - 1 : row + 2, column - 1 : column + 2].mean((0, 1))
            assert inside.argmax() == int(np.argmax(rgb)), f"{COLOURS[number]} at {row}, {column}: {inside}"
            assert RADIUS < half < 0.1


def test_its_config_fits_it():
    config = ThreePucksConfig(obs_type="environment_state_agent_pos", episode_length=2)
    vector = config.create_envs(1)["three_pucks"][0]
    observation, _ = vector.reset(seed=[1])
    for key in ("agent_pos", "environment_state"):
        assert observation[key].shape == (1, *config.features[key].shape)
    vector.step(np.zeros((1, 4), np.float32))
    assert vector.step(np.zeros((1, 4), np.float32))[3].all()
    vector.close()


@pytest.mark.parametrize("options, message", [
    ({"obs_type": "smell"}, "obs_type='smell': legal are"),
    ({"fps": 80}, "env.fps=80: the robot is controlled at 40"),
    ({"instruction": "shouted"}, "instruction='shouted': legal are"),
    ({"observation_size": 4}, "observation_size=4: legal are 16 to 1024"),
])  # fmt: skip
def test_illegal_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        ThreePucksConfig(**options)
