"""LeRobot's own training and evaluation scripts, in this process, at tiny size."""

from pathlib import Path

import numpy as np
import pytest
import torch
from host_scripts import (
    BOTH,
    NETWORK,
    PIXELS,
    SMALL_IMAGES,
    STATE_ONLY,
    assert_resumes,
    evaluate,
    made_up,
    run,
    saved,
    train,
)
from lerobot.configs import PreTrainedConfig
from lerobot.datasets import LeRobotDataset
from lerobot.scripts import lerobot_eval, lerobot_train
from safetensors.torch import load_file
from tiny import PRESETS

from lerobot_dp_plus.loading import fast_loading
from lerobot_dp_plus.policies.environment_check import checked_environments
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy


@pytest.fixture(scope="module")
def datasets(tmp_path_factory) -> dict[str, Path]:
    """Made-up data for each kind of observation."""
    folder = tmp_path_factory.mktemp("data")
    return {kind: made_up(folder / kind, kind) for kind in (STATE_ONLY, PIXELS, BOTH)}


@pytest.fixture(scope="module")
def pixel_training(datasets, tmp_path_factory) -> Path:
    switches = [*SMALL_IMAGES, "noise_draws=2", "optimizer_lr_backbone=1e-5"]
    encoder = [f"--policy.{switch}" for switch in switches]
    return train(datasets[PIXELS], tmp_path_factory.mktemp("pixels") / "run", "dp_plus_unet", *encoder)


@pytest.mark.parametrize("preset", PRESETS)
def test_train_then_evaluate_on_states(datasets, tmp_path, preset):
    checkpoints = train(datasets[STATE_ONLY], tmp_path / "train", preset)
    last = checkpoints / "last" / "pretrained_model"
    made = PreTrainedConfig.from_pretrained(last)
    assert made.type == preset and made.fps == 10
    info = evaluate(last, tmp_path / "eval", STATE_ONLY)
    assert len(info["per_task"][0]["metrics"]["sum_rewards"]) == 2
    policy = DpPlusPolicy.from_pretrained(last)
    observed = {"observation.state": torch.zeros(1, 2), "observation.environment_state": torch.zeros(1, 16)}
    assert policy.select_action(observed).shape == (1, 2)


def test_train_then_evaluate_on_pixels(pixel_training, tmp_path):
    info = evaluate(pixel_training / "last" / "pretrained_model", tmp_path, PIXELS)
    assert len(info["per_task"][0]["metrics"]["sum_rewards"]) == 2
    assert all(Path(video).stat().st_size > 0 for video in info["overall"]["video_paths"])


def test_trained_to_read_pictures_and_evaluated_without_the_state_they_show(datasets, tmp_path):
    """With either loader alike: LeRobot's has pictures of every frame that foresight looks ahead to, ours of one."""
    encoder = ["image_encoder.type=small_cnn", "image_encoder.width=16", "image_encoder.crop_ratio=1.0"]
    reading = ["state_estimation.type=regression", "state_estimation.samples=3", "stride=2", "dynamics.type=outcome"]
    choosing = [
        "dynamics.steps=8",
        "dynamics.dim=16",
        "selection.type=lowest_energy",
        "augmentation.type=pusht_mirror",
    ]
    switches = [f"--policy.{switch}" for switch in (*encoder, *reading, *choosing)]
    stock = train(datasets[BOTH], tmp_path / "stock", "dp_plus_transformer", *switches)
    with fast_loading():
        ours = train(datasets[BOTH], tmp_path / "ours", "dp_plus_transformer", *switches)
    left, right = (saved(checkpoints / "last") for checkpoints in (stock, ours))
    assert any("state_estimation" in key for key in left["pretrained_model/model.safetensors"])
    for file, values in left.items():
        assert not [key for key, value in values.items() if not torch.equal(value, right[file][key])]
    assert_resumes(stock, tmp_path / "copy")
    with checked_environments(lerobot_eval):
        info = evaluate(ours / "last" / "pretrained_model", tmp_path / "eval", PIXELS)
    assert len(info["per_task"][0]["metrics"]["sum_rewards"]) == 2


@pytest.mark.parametrize("preset", [preset for preset in PRESETS if preset != "dp_plus_unet"])
def test_the_other_presets_train_and_evaluate_on_pixels(datasets, tmp_path, preset):
    encoder = [f"--policy.{switch}" for switch in SMALL_IMAGES]
    checkpoints = train(datasets[PIXELS], tmp_path / "train", preset, *encoder, "--steps=2")
    info = evaluate(checkpoints / "last" / "pretrained_model", tmp_path / "eval", PIXELS)
    assert len(info["per_task"][0]["metrics"]["sum_rewards"]) == 2


def test_resuming_equals_no_interruption_on_pixels(pixel_training, tmp_path):
    assert_resumes(pixel_training, tmp_path / "copy")


def test_resuming_equals_no_interruption_on_states(datasets, tmp_path):
    more = (
        "--policy.augmentation.type=pusht_mirror",
        "--env.type=pusht",
        f"--env.obs_type={STATE_ONLY}",
        "--env_eval_freq=2",
    )
    more += ("--env.episode_length=3", "--eval.n_episodes=1", "--eval.batch_size=1", "--eval.use_async_envs=false")
    # Evaluations in between must not disturb the training either.
    assert_resumes(train(datasets[STATE_ONLY], tmp_path / "train", "dp_plus_flow", *more), tmp_path / "copy")


def test_fine_tuning_from_a_folder_and_evaluating_with_switches(datasets, tmp_path):
    checkpoints = train(datasets[STATE_ONLY], tmp_path / "train", "dp_plus_transformer")
    source = checkpoints / "last" / "pretrained_model"
    run(
        lerobot_train,
        "--dataset.repo_id=made/up",
        f"--dataset.root={datasets[STATE_ONLY]}",
        f"--policy.path={source}",
        f"--output_dir={tmp_path / 'tuned'}",
        *("--policy.push_to_hub=false", "--policy.sampler.type=heun", "--steps=1", "--batch_size=4", "--num_workers=0"),
    )
    tuned = tmp_path / "tuned" / "checkpoints" / "last" / "pretrained_model"
    assert PreTrainedConfig.from_pretrained(tuned).sampler.num_steps == 2
    assert load_file(tuned / "model.safetensors")["ema.n_averaged"] == 5
    evaluate(
        tuned,
        tmp_path / "eval",
        STATE_ONLY,
        "--policy.sampler.type=ddim",
        "--policy.sampler.num_steps=1",
        "--policy.selection.type=densest",
    )
    with checked_environments(lerobot_eval), pytest.raises(ValueError, match=r"env\.fps = 20.*trained at fps = 10"):
        evaluate(tuned, tmp_path / "refused", STATE_ONLY, "--env.fps=20")


def test_training_with_an_environment_of_another_rate_stops_before_the_first_update(datasets, tmp_path):
    more = ("--env.type=pusht", f"--env.obs_type={STATE_ONLY}", "--env.fps=20", "--eval.use_async_envs=false")
    with checked_environments(lerobot_train), pytest.raises(ValueError, match=r"env\.fps = 20.*trained at fps = 10"):
        train(datasets[STATE_ONLY], tmp_path / "train", "dp_plus_flow", *more)
    assert not (tmp_path / "train").exists()


def test_half_precision_trains_in_full_precision_weights(datasets, tmp_path):
    checkpoints = train(datasets[STATE_ONLY], tmp_path / "train", "dp_plus_dit", "--policy.use_amp=true")
    folder = checkpoints / "last" / "pretrained_model"
    assert PreTrainedConfig.from_pretrained(folder).dtype == "bfloat16"
    weights = load_file(folder / "model.safetensors")
    assert {value.dtype for value in weights.values() if value.is_floating_point()} == {torch.float32}
    evaluate(folder, tmp_path / "eval", STATE_ONLY)


def test_a_broken_batch_keeps_the_last_good_checkpoint(datasets, tmp_path, monkeypatch):
    updates = []
    forward = DpPlusPolicy.forward

    def broken(self, batch, reduction="mean"):
        updates.append(1)
        if len(updates) == 4:
            for weight in self.model.parameters():
                weight.data.fill_(torch.inf)
        return forward(self, batch, reduction)

    monkeypatch.setattr(DpPlusPolicy, "forward", broken)
    with pytest.raises(FloatingPointError, match="at update 4 of this run; the last saved checkpoint is good"):
        train(datasets[STATE_ONLY], tmp_path / "train", "dp_plus_unet")
    checkpoints = tmp_path / "train" / "checkpoints"
    assert (checkpoints / "last").resolve().name == "000002"
    DpPlusPolicy.from_pretrained(checkpoints / "last" / "pretrained_model")


def test_steps_follow_the_rate_of_the_dataset_that_lerobots_script_opens(tmp_path):
    root, features = tmp_path / "data", ("observation.state", "action")
    table = {key: {"dtype": "float32", "shape": (2,), "names": None} for key in features}
    made = LeRobotDataset.create("made/up", fps=25, features=table, root=root, use_videos=False)
    for step in range(60):
        made.add_frame({**{key: np.array([step, 1], np.float32) for key in features}, "task": "push"})
    made.save_episode()
    made.finalize()
    run(
        lerobot_train,
        "--dataset.repo_id=made/up",
        f"--dataset.root={root}",
        f"--output_dir={tmp_path / 'run'}",
        "--policy.type=dp_plus_transformer",
        *(f"--policy.{switch}" for switch in ("device=cpu", "push_to_hub=false", *NETWORK["dp_plus_transformer"])),
        *("--steps=1", "--save_freq=1", "--batch_size=2", "--num_workers=0"),
    )
    policy = DpPlusPolicy.from_pretrained(tmp_path / "run" / "checkpoints" / "000001" / "pretrained_model")
    config = policy.config
    assert (config.horizon, config.n_action_steps, config.observation_stride, config.fps) == (40, 20, 2, 25)
    # In use its windows are frames two control steps apart; 1 is what never changes and is normalised to 0.
    for step in range(4):
        policy.select_action({"observation.state": torch.tensor([[step / 10, 0.0]])})
    window = policy._episodes.current.history.window()["observation.state"]
    torch.testing.assert_close(window[0, :, 0], torch.tensor([0.1, 0.3]))
