"""LeRobot's own `aloha`, three cameras at 640×480, trains and evaluates our policies: nothing of ours stands in its way."""

import json
import sys

import numpy as np
import pytest
from lerobot.scripts import lerobot_eval, lerobot_train

import lerobot_policy_dp_plus  # noqa: F401
from lerobot_dp_plus.demos.aloha_features import ROBOT_TYPE, aloha_features, episode_columns
from lerobot_dp_plus.demos.writer import write_dataset
from lerobot_dp_plus.environments.aloha_physics import AlohaPhysics, sample_objects
from lerobot_dp_plus.environments.aloha_render import render


def run(script, *arguments: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [script.__name__, *arguments])
        script.main()


def test_lerobot_trains_and_evaluates_on_stock_aloha(tmp_path):
    physics = AlohaPhysics("transfer_cube")
    physics.reset(sample_objects("transfer_cube", 0))
    frames, states = [], []
    for _ in range(6):
        frames.append(render(physics, 480, 640, "lite"))
        states.append(physics.joints)
        physics.step(physics.joints)
    record = {"state": np.array(states), "action": np.array(states), "reward": np.zeros(6), "image": np.array(frames)}
    features = aloha_features("transfer_cube", environment_state=False, picture=(480, 640))
    columns = episode_columns(record, environment_state=False)
    write_dataset(tmp_path / "data", "made/up", 50, features, [columns], "hand over", ROBOT_TYPE)
    run(
        lerobot_train,
        "--dataset.repo_id=made/up",
        f"--dataset.root={tmp_path / 'data'}",
        "--dataset.video_backend=pyav",
        "--policy.type=dp_plus_transformer",
        "--policy.device=cpu",
        "--policy.push_to_hub=false",
        "--policy.horizon=4",
        "--policy.n_obs_steps=1",
        "--policy.n_action_steps=4",
        "--policy.network.dim=16",
        "--policy.network.depth=1",
        "--policy.network.num_heads=2",
        "--policy.image_encoder.type=small_cnn",
        "--policy.image_encoder.crop_shape=[120,160]",
        "--policy.sampler.num_steps=2",
        f"--output_dir={tmp_path / 'run'}",
        "--steps=1",
        "--batch_size=2",
        "--num_workers=0",
        "--env_eval_freq=0",
    )
    run(
        lerobot_eval,
        f"--policy.path={tmp_path / 'run/checkpoints/last/pretrained_model'}",
        "--env.type=aloha",
        "--env.task=AlohaTransferCube-v0",
        "--env.episode_length=2",
        "--eval.n_episodes=1",
        "--eval.batch_size=1",
        "--eval.use_async_envs=false",
        f"--output_dir={tmp_path / 'eval'}",
    )
    info = json.loads((tmp_path / "eval" / "eval_info.json").read_text())
    assert info["overall"]["n_episodes"] == 1 and np.isfinite(info["overall"]["avg_sum_reward"])
    assert len(list((tmp_path / "eval").rglob("*.mp4"))) == 1
