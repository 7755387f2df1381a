"""Places of pictures as tokens, as a user meets them: trained, resumed, loaded and evaluated by LeRobot's scripts."""

from pathlib import Path

import numpy as np
import pytest
import torch
from host_scripts import PIXELS, assert_resumes, evaluate, made_up, train
from lerobot.configs import PreTrainedConfig
from tiny import ENV_STATE, IMAGES, STATE, policy

from lerobot_dp_plus import load_policy
from lerobot_dp_plus.auxiliary.state_estimation import Regression
from lerobot_dp_plus.encoders import PatchesConfig
from lerobot_dp_plus.notation import PATCHES, Span

SWITCHES = ("type=patches", "width=16", "feature_dim=16", "crop_shape=[32,48]")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory) -> Path:
    root = made_up(tmp_path_factory.mktemp("data") / "pixels", PIXELS)
    encoder = [f"--policy.image_encoder.{switch}" for switch in SWITCHES]
    pace = ("--policy.scheduler_warmup_steps=1", "--policy.optimizer_lr=3e-2")
    return train(root, tmp_path_factory.mktemp("runs") / "run", "dp_plus_transformer", *encoder, *pace)


def test_they_are_trained_and_evaluated(checkpoints, tmp_path):
    last = checkpoints / "last" / "pretrained_model"
    assert isinstance(PreTrainedConfig.from_pretrained(last).image_encoder, PatchesConfig)
    info = evaluate(last, tmp_path, PIXELS)
    assert len(info["per_task"][0]["metrics"]["sum_rewards"]) == 2


def test_what_is_loaded_sees_where_something_is(checkpoints):
    """The same half of a picture, white on the left and on the right."""
    loaded = load_policy(checkpoints / "last")
    # 32 × 48 pixels, 8 to a place, 2 places averaged along each side, 2 frames.
    assert loaded.policy.model.encoder.spans[PATCHES] == Span(2 * 2 * 3, 16)
    acted = []
    for half in (slice(0, 48), slice(48, 96)):
        picture = np.zeros((96, 96, 3), np.uint8)
        picture[:, half] = 255
        loaded.policy.reset()
        batch = loaded.preprocess({"observation.state": torch.full((1, 2), 250.0), "observation.image": picture})
        acted.append(loaded.policy.predict_action_chunk(batch, noise=torch.zeros(1, 8, 2)))
    assert (acted[0] - acted[1]).abs().max() > 1e-5


def test_resuming_equals_no_interruption(checkpoints, tmp_path):
    assert_resumes(checkpoints, tmp_path / "copy")


@pytest.mark.parametrize("preset", ["dp_plus_unet", "dp_plus_dit"])
def test_networks_that_read_steps_only_refuse_them(preset):
    with pytest.raises(
        ValueError, match=r"reads steps, .* has patches too; legal with them: network\.type = mixture or transformer"
    ):
        policy(preset, inputs={**STATE, **IMAGES}, image_encoder=PatchesConfig(width=16, crop_ratio=1.0))


def test_states_are_not_read_off_them():
    with pytest.raises(
        ValueError, match=r"image_encoder\.type = patches gives patches.*legal are resnet18 and small_cnn"
    ):
        policy(
            inputs={**STATE, **ENV_STATE, **IMAGES},
            image_encoder=PatchesConfig(width=16, crop_ratio=1.0),
            state_estimation=Regression(samples=2),
        )
