"""MetaWorld with cheap pictures: LeRobot's own environment and the packaged experts are the oracles."""

import numpy as np
import pytest

pytest.importorskip("metaworld")

from lerobot.envs.metaworld import MetaworldEnv

from lerobot_dp_plus.demos.metaworld_episodes import expert_action
from lerobot_dp_plus.environments.metaworld_config import MetaworldLiteConfig
from lerobot_dp_plus.environments.metaworld_lite import MetaworldLite
from lerobot_dp_plus.environments.metaworld_tasks import (
    HELD_OUT,
    MT10,
    TRAINING,
    groups_of,
    instruct,
    partner_of,
    sentence_of,
)


@pytest.mark.parametrize("task", ["drawer-open-v3", "reach-v3"])
def test_states_reward_and_success_are_lerobots(task, monkeypatch):
    stock = MetaworldEnv(task, obs_type="pixels_agent_pos")
    stock._ensure_env()
    monkeypatch.setattr(stock._env, "render", lambda: np.zeros((480, 480, 3), np.uint8))  # 0.2 s each
    lite = MetaworldLite(task, "environment_state_agent_pos")
    theirs, _ = stock.reset(seed=7)
    ours, _ = lite.reset(seed=7)
    np.testing.assert_array_equal(ours["agent_pos"], theirs["agent_pos"])
    rng = np.random.default_rng(0)
    for _ in range(12):
        action = rng.uniform(-1, 1, 4).astype(np.float32)
        theirs, their_reward, *_, their_info = stock.step(action)
        ours, reward, *_, info = lite.step(action)
        np.testing.assert_array_equal(ours["agent_pos"], theirs["agent_pos"])
        assert reward == their_reward and info["is_success"] == their_info["is_success"]
    assert lite.task_description == stock.task_description == sentence_of(task)


@pytest.mark.parametrize("task", ["drawer-close-v3", "button-press-topdown-v3"])
def test_the_packaged_experts_succeed(task):
    env = MetaworldLite(task, "environment_state_agent_pos")
    env.reset(seed=1)
    done, count = False, 0
    while not done and count < 200:
        _, _, done, _, info = env.step(expert_action(env, task))
        count += 1
    assert info["is_success"] is True and count > 10


@pytest.mark.parametrize("camera", ["corner2", "near"])
def test_pictures_have_the_size_asked_for_and_show_the_hand_where_it_is(camera):
    env = MetaworldLite("pick-place-v3", observation_size=64, camera=camera)
    seen, _ = env.reset(seed=3)
    assert seen["pixels"].shape == (64, 64, 3) and seen["pixels"].dtype == np.uint8
    x, y, half = env.gaze()
    assert 0 < x < 1 and 0 < y < 1 and 0 < half < 0.5
    before, column, row = seen["pixels"].astype(int), int(x * 64), int(y * 64)
    # The puck is painted over: the picture changes where the gaze is, and nowhere far from it.
    env.sim.model.geom("objGeom").rgba = [0, 1, 0, 1]
    changed = np.abs(env.render().astype(int) - before).max(2) > 40
    rows, columns = np.nonzero(changed)
    assert len(rows) and abs(rows.mean() - row) < 3 and abs(columns.mean() - column) < 3


def test_tasks_by_name_list_and_group():
    assert groups_of("metaworld-reach-v3, drawer-open-v3") == {
        "reach-v3": ["reach-v3"],
        "drawer-open-v3": ["drawer-open-v3"],
    }
    assert groups_of("mt10") == {"mt10": list(MT10)} and len(groups_of("mt50")["mt50"]) == 50
    assert sum(len(groups_of(name)[name]) for name in ("easy", "medium", "hard", "very_hard")) == 50
    with pytest.raises(ValueError, match=r"env\.task='fly': legal are mt10, mt50, easy"):
        MetaworldLiteConfig(task="fly")


def test_a_vector_for_each_task_of_a_group():
    from metaworld.env_dict import MT10_V3

    assert set(MT10) == set(MT10_V3)
    config = MetaworldLiteConfig(task="reach-v3,drawer-open-v3", obs_type="environment_state_agent_pos")
    made = config.create_envs(1)
    assert {group: list(vectors) for group, vectors in made.items()} == {"reach-v3": [0], "drawer-open-v3": [0]}
    vector = made["drawer-open-v3"][0]
    observation, _ = vector.reset(seed=[1])
    assert observation["environment_state"].shape == (1, *config.features["environment_state"].shape)
    assert vector.call("task_description") == ("Open a drawer",)
    vector.close()


def test_what_is_said_for_a_task():
    rng = np.random.default_rng(0)
    assert not set(TRAINING) & set(HELD_OUT)
    said = {instruct("named", "drawer-open-v3", rng).sentence for _ in range(60)}
    assert len(said) == len(TRAINING) and all("open a drawer" in each for each in said)
    assert not said & {instruct("paraphrase", "drawer-open-v3", rng).sentence for _ in range(60)}
    assert "close a drawer" in instruct("swapped", "drawer-open-v3", rng).sentence
    assert partner_of("window-close-v3") == "window-open-v3" and partner_of("reach-v3") is None
    assert instruct("none", "reach-v3", rng).sentence == ""
    for kind, message in (
        ("swapped", "reach-v3 shares its scene"),
        ("shouted", "instruction='shouted': legal are stock"),
    ):
        with pytest.raises(ValueError, match=message):
            instruct(kind, "reach-v3", rng)
