"""A training that keeps what its frozen encoder saw: the same weights, each frame looked at once, and why not, by name."""

import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from fabricated import saved_resnet
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.configs.default import DatasetConfig
from lerobot.configs.train import TrainPipelineConfig
from lerobot.scripts import lerobot_train
from made_up_datasets import CAMERAS, LENGTHS, make_dataset
from safetensors.torch import load_file
from test_training import said  # noqa: F401

from lerobot_dp_plus.augmentation import Augmentation, ColorJitter, NoAugmentation, PushTMirror
from lerobot_dp_plus.encoders import ResNet18Config, SmallCnnConfig
from lerobot_dp_plus.loading import fast_loading, install
from lerobot_dp_plus.loading.features import room_for_features
from lerobot_dp_plus.networks import TransformerConfig
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusTransformerConfig

FRAMES = sum(LENGTHS)


@pytest.fixture(scope="module")
def host(root):
    return make_dataset(root / "image", "image")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(saved_resnet(tmp_path_factory.mktemp("weights") / "trunk.safetensors"))


def training(encoder, augmentation: Augmentation, transforms: bool = False) -> SimpleNamespace:
    """A training's config, as far as it is looked at."""
    policy = SimpleNamespace(type="dp_plus_unet", image_encoder=encoder, augmentation=augmentation, input_features=None)
    dataset = SimpleNamespace(image_transforms=SimpleNamespace(enable=transforms))
    return SimpleNamespace(policy=policy, dataset=dataset, rename_map=None)


def test_a_training_ends_with_the_same_weights_and_looks_at_each_frame_once(
    host,
    tmp_path,
    monkeypatch,
    weights,
    said,  # noqa: F811
) -> None:
    saved = {}
    for name in ("kept", "anew"):
        if name == "anew":
            monkeypatch.setattr(install, "room_for_features", lambda *_: 0)
        config = TrainPipelineConfig(
            dataset=DatasetConfig("made/up", root=str(host.root), video_backend="pyav"),
            policy=DpPlusTransformerConfig(
                horizon=4,
                n_action_steps=3,  # whole chunks: no frame at an episode's end is left out
                input_features={
                    "observation.state": PolicyFeature(FeatureType.STATE, (3,)),
                    **{key: PolicyFeature(FeatureType.VISUAL, (3, *CAMERAS[key]["shape"][:2])) for key in CAMERAS},
                },
                network=TransformerConfig(dim=16, depth=1, num_heads=2),
                image_encoder=ResNet18Config(crop_ratio=1.0, frozen=True, pretrained_weights=weights, resize=64),
                device="cpu",
                push_to_hub=False,
            ),
            output_dir=tmp_path / name,
            num_workers=0,
            batch_size=5,
            steps=8,
            save_freq=8,
            log_freq=8,
            env_eval_freq=0,
            seed=5,
        )
        config.policy.scheduler_warmup_steps = 1
        with fast_loading():
            lerobot_train.train(config)
        saved[name] = load_file(tmp_path / name / "checkpoints" / "000008" / "pretrained_model" / "model.safetensors")
    for name, value in saved["anew"].items():
        torch.testing.assert_close(saved["kept"][name], value, rtol=1e-4, atol=1e-5, msg=name)
    lines = [line for line in said() if line.startswith("features:")]
    # Two cameras, 8 updates of 5 samples of 2 frames each.
    assert lines[1] == f"features: of 160 pictures the frozen trunk looked at {2 * FRAMES}; 0.4 MiB were kept"
    assert lines[0].startswith("features: the frozen trunk looks at a picture once; observation.images.top 8,192, ")
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("fields", "augmentation", "transforms", "reason"),
    [
        ({"crop_ratio": 0.9}, NoAugmentation(), False, r"image_encoder\.crop_ratio=0\.9 cuts another part out"),
        ({"crop_shape": (40, 40)}, NoAugmentation(), False, r"image_encoder\.crop_shape=\(40, 40\) cuts another part"),
        ({}, ColorJitter(), False, r"augmentation\.type=color_jitter makes another picture .*type=none does not"),
        ({}, NoAugmentation(), True, r"dataset\.image_transforms\.enable=true makes another picture"),
    ],
)
def test_what_forbids_it_is_named(host, heard, weights, fields, augmentation, transforms, reason) -> None:
    encoder = replace(ResNet18Config(crop_ratio=1.0, frozen=True, pretrained_weights=weights), **fields)
    assert room_for_features(training(encoder, augmentation, transforms), host, 1000) == 0
    (line,) = heard()
    assert re.search(reason, line), line


def test_a_mirror_makes_two_pictures_of_one_and_a_picture_as_large_as_its_crop_is_whole(host, heard, weights) -> None:
    shapes = dict.fromkeys(CAMERAS, (32, 32))
    encoder = ResNet18Config(resize=shapes, crop_shape=(32, 32), frozen=True, pretrained_weights=weights)
    for augmentation, times in ((NoAugmentation(), 1), (PushTMirror(), 2)):
        assert room_for_features(training(encoder, augmentation), host, 10**9) == 10**9
        total = times * FRAMES * 2 * 512 * 4 / 2**20
        assert f"{total:.1f} MiB of all frames, 953.7 MiB are free" in heard()[-1]
    room_for_features(training(encoder, NoAugmentation()), host, 10**4)
    assert "the rest is looked at anew" in heard()[-1]


def test_trained_encoders_have_nothing_to_keep(host, heard) -> None:
    for encoder in (SmallCnnConfig(crop_ratio=1.0), ResNet18Config(crop_ratio=1.0)):
        assert room_for_features(training(encoder, NoAugmentation()), host, 10**9) == 0
    assert heard() == []
