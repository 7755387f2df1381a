"""Every ALOHA config fits the environment it names, with one camera and with several."""

from dataclasses import replace
from pathlib import Path

import draccus
import pytest
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.configs.train import TrainPipelineConfig
from lerobot.envs.utils import env_to_policy_features

import lerobot_policy_dp_plus  # noqa: F401
from lerobot_dp_plus.policies.environment_check import check_environment

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("aloha_*.json"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_fits_its_environment(path):
    with draccus.config_type("json"):
        config = draccus.parse(TrainPipelineConfig, config_path=path, args=[])
    assert config.env.type == "aloha_lite" and config.eval.use_async_envs is False
    task = "AlohaInsertion-v0" if "insertion" in path.stem else "AlohaTransferCube-v0"
    assert config.env.task == task
    features = env_to_policy_features(config.env)
    policy = config.policy
    policy.output_features = {"action": features.pop("action")}
    policy.input_features = features
    policy.validate_features()
    check_environment(policy, config.env)
    # Planning anew twice a second or so, from chunks that reach further.
    assert 0.3 <= policy.n_action_steps / config.env.fps <= 0.8
    assert policy.n_action_steps < policy.chunk_length
    if policy.camera_features:
        height, width = policy.image_encoder.crop_shape or (120, 160)  # without a crop the whole picture
        assert height != width
        wrist = PolicyFeature(type=FeatureType.VISUAL, shape=(3, 112, 150))
        several = replace(policy, input_features={**features, "observation.images.wrist": wrist})
        several.validate_features()


def test_there_is_a_config_for_every_task_and_preset():
    wanted = {f"aloha_{task}_{kind}" for task in ("transfer", "insertion") for kind in ("unet", "transformer", "flow")}
    assert {path.stem for path in CONFIGS} == wanted | {
        f"aloha_{task}_{kind}" for task in ("transfer", "insertion") for kind in ("state", "pixels_small")
    }
