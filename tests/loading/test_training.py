"""LeRobot's own training script, from memory and from its loader, ends with the same weights."""

import logging

import pytest
import torch
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.configs.default import DatasetConfig
from lerobot.configs.train import TrainPipelineConfig
from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.scripts import lerobot_train
from made_up_datasets import make_dataset
from safetensors.torch import load_file

from lerobot_dp_plus.encoders import SmallCnnConfig
from lerobot_dp_plus.loading import fast_loading
from lerobot_dp_plus.networks import TransformerConfig
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusTransformerConfig


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


def test_a_worker_that_is_started_anew_gives_the_same_pictures(root, tmp_path):
    """LeRobot's default. The dataset is handed to the worker, ImageNet's statistics with it, which the pipelines go on using."""
    make_dataset(root / "image", "image")
    saved = {}
    for workers in (0, 1):
        config = TrainPipelineConfig(
            dataset=DatasetConfig("made/up", root=str(root / "image"), video_backend="pyav"),
            policy=DpPlusTransformerConfig(
                input_features={
                    "observation.state": PolicyFeature(FeatureType.STATE, (3,)),
                    "observation.images.top": PolicyFeature(FeatureType.VISUAL, (3, 64, 96)),
                },
                network=TransformerConfig(dim=32, depth=1, num_heads=2),
                image_encoder=SmallCnnConfig(num_keypoints=8, feature_dim=32),
                device="cpu",
                push_to_hub=False,
            ),
            output_dir=tmp_path / str(workers),
            num_workers=workers,
            batch_size=4,
            steps=2,
            log_freq=2,
            env_eval_freq=0,
            seed=5,
        )
        with fast_loading(workers == 0):
            lerobot_train.train(config)
        folder = tmp_path / str(workers) / "checkpoints" / "last" / "pretrained_model"
        saved[workers] = {file.name: load_file(file) for file in folder.glob("*.safetensors")}
    assert saved[0].keys() == saved[1].keys() and len(saved[0]) >= 3, "weights and both pipelines' statistics"
    for name, tensors in saved[0].items():
        assert all(torch.equal(saved[1][name][key], value) for key, value in tensors.items()), name
