"""The environment through LeRobot's own doors: make_env, a vector of it, and `lerobot eval`."""

import json
import sys

import numpy as np
import pytest
from fabricated import tiny_config
from gymnasium.utils.env_checker import check_env
from lerobot.envs.factory import make_env, make_env_config
from lerobot.envs.utils import env_to_policy_features, preprocess_observation
from lerobot.policies import make_pre_post_processors
from lerobot.scripts import lerobot_eval

import lerobot_policy_dp_plus  # noqa: F401
from lerobot_dp_plus.encoders import SmallCnnConfig
from lerobot_dp_plus.environments.aloha_config import AlohaLiteConfig
from lerobot_dp_plus.environments.aloha_lite import AlohaLite
from lerobot_dp_plus.environments.aloha_physics import AlohaPhysics, sample_objects
from lerobot_dp_plus.environments.aloha_render import _renderer
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusTransformerPolicy

STATE = "environment_state_agent_pos"


def test_observations_fit_what_the_config_promises():
    for obs_type, task in (("pixels_agent_pos", "AlohaTransferCube-v0"), (STATE, "AlohaInsertion-v0")):
        config = make_env_config(
            "aloha_lite", task=task, obs_type=obs_type, observation_height=48, observation_width=64
        )
        promised = {key: tuple(ft.shape) for key, ft in env_to_policy_features(config).items() if key != "action"}
        vector = make_env(config, n_envs=2)["aloha_lite"][0]
        seen, _ = vector.reset(seed=[5, 6])
        assert vector.observation_space.contains(seen)
        given = preprocess_observation(seen)
        assert {key: tuple(value.shape[1:]) for key, value in given.items()} == promised
        assert vector.call("_max_episode_steps") == (400, 400)
        vector.close()
    assert promised["observation.environment_state"] == (14,)


def test_pictures_show_the_scene_that_is_simulated():
    env = AlohaLite("transfer_cube", observation_height=60, observation_width=80)
    objects = sample_objects("transfer_cube", 3)
    reds = []
    for x in (0.0, 0.15):
        env.physics.reset(np.array([x, *objects[1:]]))
        picture = env._observation()["pixels"]["top"].astype(int)
        assert picture.shape == (60, 80, 3) and picture.std() > 10
        red = np.argwhere((picture[..., 0] > 120) & (picture[..., 1] < 80))
        assert len(red) >= 4
        reds.append(red.mean(axis=0))
    # The top camera sees 78 degrees over 60 rows, 0.75 m above the cube; x runs along the columns.
    assert reds[1][1] - reds[0][1] == pytest.approx(0.15 * 60 / (2 * 0.75 * np.tan(np.radians(39))), abs=1.0)
    assert reds[1][0] == pytest.approx(reds[0][0], abs=1.0)
    np.testing.assert_array_equal(env.render(), picture)
    assert AlohaLite("transfer_cube", visualization_height=64, visualization_width=80).render().shape == (64, 80, 3)
    blind = AlohaLite("transfer_cube", obs_type=STATE)
    blind.reset(seed=3)
    assert blind.render().shape == (240, 320, 3) and blind.render().std() > 10


def test_lite_look_leaves_the_shared_model_as_it_was():
    model = AlohaPhysics("insertion").model
    before = model.vis.quality.offsamples, model.vis.quality.shadowsize, model.vis.global_.offwidth
    renderer = _renderer("insertion", 32, 40, "lite")
    assert (model.vis.quality.offsamples, model.vis.quality.shadowsize, model.vis.global_.offwidth) == before
    assert before[:2] == (4, 4096)
    assert renderer._mjr_context.offSamples == 0 and renderer._mjr_context.shadowSize == 0


@pytest.mark.parametrize(("success", "ends"), [("first_contact", 3), ("completed", 6)])
def test_an_episode_ends_with_the_success_that_was_chosen(success, ends):
    env = AlohaLite("transfer_cube", obs_type=STATE, success=success)
    env.reset(seed=0)
    script = {3: (True, False), 4: (False, False), 6: (False, True)}  # step -> (reward is 4, goal has been held)

    class Scripted(AlohaPhysics):
        step_count = 0

        def step(self, action):
            self.step_count += 1
            return 4 if self.success else 1

        success = property(lambda self: script.get(self.step_count, (False, False))[0])
        completed = property(lambda self: script.get(self.step_count, (False, False))[1])

    env.physics = Scripted("transfer_cube")
    env.physics.reset(sample_objects("transfer_cube", 0))
    for step in range(1, ends + 1):
        _, _, terminated, truncated, info = env.step(env.physics.joints)
        assert terminated == info["is_success"] == (step == ends) and not truncated
    assert info["first_contact"]
    assert info["completed"] == (success == "completed")


def test_finished_episodes_wait_until_somebody_resets():
    config = AlohaLiteConfig(obs_type=STATE, episode_length=3)
    vector = make_env(config, n_envs=2)["aloha_lite"][0]
    still = np.zeros((2, 14), np.float32)
    first, _ = vector.reset(seed=[1, 2])
    for _ in range(3):
        last, *_, truncated, _ = vector.step(still)
    assert truncated.all()
    frozen, *_, truncated, _ = vector.step(still)
    assert truncated.all()
    np.testing.assert_array_equal(frozen["agent_pos"], last["agent_pos"])
    vector.reset()  # no seed, no sign of LeRobot's roll-out: a person at a prompt
    *_, truncated, _ = vector.step(still)
    assert not truncated.any()
    again, _ = vector.reset(seed=[1, 2])
    np.testing.assert_array_equal(again["environment_state"], first["environment_state"])
    vector.close()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("task", "AlohaStack-v0", "env.task='AlohaStack-v0': legal are AlohaTransferCube-v0, AlohaInsertion-v0"),
        ("fps", 30, "env.fps=30"),
        ("obs_type", "state", "obs_type='state': legal are pixels_agent_pos, environment_state_agent_pos"),
        ("success", "touch", "success='touch'"),
        ("look", "pretty", "look='pretty'"),
        ("observation_height", 4, "height=4: legal are 16 to 2048 pixels"),
        ("visualization_width", 64, "visualization_height=None, visualization_width=64: legal are both or neither"),
        ("episode_length", 0, "env.episode_length=0"),
    ],
)
def test_illegal_options_are_named(field, value, message):
    with pytest.raises(ValueError, match=message):
        make_env_config("aloha_lite", **{field: value})


@pytest.mark.parametrize("obs_type", ["pixels_agent_pos", STATE])
def test_lerobot_eval_plays_an_untrained_policy(tmp_path, obs_type):
    env = AlohaLiteConfig(obs_type=obs_type, observation_height=40, observation_width=48)
    features = env_to_policy_features(env)
    inputs = {key: feature for key, feature in features.items() if key != "action"}
    encoder = SmallCnnConfig(num_keypoints=4, feature_dim=8, crop_shape=(36, 44))
    config = tiny_config(inputs, *features["action"].shape, image_encoder=encoder)
    policy = DpPlusTransformerPolicy(config)
    saved = tmp_path / "policy"
    policy.save_pretrained(saved)
    for processor in make_pre_post_processors(config):
        processor.save_pretrained(saved)
    with pytest.MonkeyPatch.context() as patch:
        arguments = [
            f"--policy.path={saved}",
            "--env.type=aloha_lite",
            f"--env.obs_type={obs_type}",
            "--env.observation_height=40",
            "--env.observation_width=48",
            "--env.episode_length=6",
            "--env.visualization_height=32",
            "--env.visualization_width=32",
            "--eval.n_episodes=2",
            "--eval.batch_size=2",
            "--eval.use_async_envs=false",
            f"--output_dir={tmp_path / 'eval'}",
        ]
        patch.setattr(sys, "argv", ["lerobot-eval", *arguments])
        lerobot_eval.main()
    info = json.loads((tmp_path / "eval" / "eval_info.json").read_text())
    assert info["overall"]["n_episodes"] == 2
    assert info["overall"]["pc_success"] == 0.0
    assert len(list((tmp_path / "eval").rglob("*.mp4"))) == 2


def test_it_is_a_plain_gymnasium_environment():
    check_env(AlohaLite("insertion", observation_height=32, observation_width=32), skip_render_check=True)
