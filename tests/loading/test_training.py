"""LeRobot's own training script, from memory and from its loader, ends with the same weights."""

import logging

import pytest
import torch
from lerobot.configs.default import DatasetConfig
from lerobot.configs.train import TrainPipelineConfig
from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.scripts import lerobot_train
from made_up_datasets import make_dataset
from safetensors.torch import load_file

from lerobot_dp_plus.loading import fast_loading


@pytest.fixture
def said(caplog):
    """The lines of the room's own logger; the script empties the root logger, where pytest listens."""
    logger = logging.getLogger("lerobot_dp_plus.loading")
    logger.addHandler(caplog.handler)
    yield lambda: list(dict.fromkeys(r.getMessage() for r in caplog.records if r.name.startswith(logger.name)))
    logger.removeHandler(caplog.handler)


@pytest.mark.parametrize(("cameras", "on_disk"), [(None, False), ("image", False), ("image", True)])
def test_training_from_memory_gives_the_same_weights(root, tmp_path, said, cameras, on_disk):
    data = root / (cameras or "state")
    make_dataset(data, cameras)
    weights = {}
    place = {"limit_bytes": 100_000, "cache_dir": tmp_path / "cache"} if on_disk else {}
    for enabled in (True, False):
        # A small ACT, with dropout: the loaders must also leave the random state alike.
        policy = ACTConfig(
            chunk_size=6,
            n_action_steps=6,
            dim_model=16,
            n_heads=2,
            dim_feedforward=16,
            n_encoder_layers=1,
            latent_dim=4,
            n_vae_encoder_layers=1,
            dropout=0.1,
            device="cpu",
            push_to_hub=False,
            pretrained_backbone_weights=None,
        )
        config = TrainPipelineConfig(
            dataset=DatasetConfig("made/up", root=str(data), episodes=[0, 2, 3], eval_split=0.3, video_backend="pyav"),
            policy=policy,
            output_dir=tmp_path / str(enabled),
            num_workers=0,
            batch_size=4,
            steps=2,
            save_freq=2,
            log_freq=1,
            eval_steps=2,
            max_eval_samples=4,
            seed=5,
        )
        with fast_loading(enabled, **place):
            lerobot_train.train(config)
        saved = tmp_path / str(enabled) / "checkpoints" / "000002" / "pretrained_model" / "model.safetensors"
        weights[enabled] = load_file(saved)
    ours = f"data: images mapped from {tmp_path / 'cache'}" if on_disk else "data: in memory"
    assert [line.split(",")[0] for line in said()] == [ours, "data: LeRobot's loader"]
    assert weights[True].keys() == weights[False].keys()
    assert all(torch.equal(weights[True][name], weights[False][name]) for name in weights[True])
