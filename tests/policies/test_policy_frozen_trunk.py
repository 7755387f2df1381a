"""Pretrained trunks from a file, frozen and not, through LeRobot's training script: what is saved, and what loading needs."""

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fabricated import saved_resnet
from host_scripts import PIXELS, assert_resumes, made_up, train
from lerobot.policies import get_policy_class
from safetensors.torch import load_file
from tiny import IMAGES, STATE, build, frame, learned, policy, training_batch

from lerobot_dp_plus import load_policy
from lerobot_dp_plus.encoders import PatchesConfig, ResNet18Config
from lerobot_dp_plus.encoders.pretrained import fetch
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy

WEIGHTS = "trunk.safetensors"


@pytest.fixture(scope="module")
def trunk(tmp_path_factory) -> Path:
    return saved_resnet(tmp_path_factory.mktemp("trunks") / WEIGHTS, 0)


@pytest.fixture(scope="module")
def checkpoint(trunk, tmp_path_factory) -> Path:
    """Trained with LeRobot's script."""
    root = made_up(tmp_path_factory.mktemp("data") / "pixels", PIXELS)
    switches = ("type=resnet18", "crop_shape=[33,33]", "num_keypoints=4", "feature_dim=8", "frozen=true")
    encoder = [f"--policy.image_encoder.{switch}" for switch in (*switches, f"pretrained_weights={trunk}")]
    pace = ("--policy.scheduler_warmup_steps=1", "--policy.optimizer_lr=3e-2")
    checkpoints = train(root, tmp_path_factory.mktemp("runs") / "run", "dp_plus_transformer", *encoder, *pace)
    return checkpoints / "last"


@pytest.fixture
def moved(checkpoint, trunk, tmp_path) -> Path:
    """A copy of the policy that looks for its trunk in `tmp_path`, where there is none yet."""
    folder = tmp_path / "policy"
    shutil.copytree(checkpoint / "pretrained_model", folder)
    config = json.loads((folder / "config.json").read_text())
    config["image_encoder"]["pretrained_weights"] = str(tmp_path / WEIGHTS)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_a_checkpoint_holds_no_trunk_and_says_which_it_was(checkpoint, trunk):
    folder = checkpoint / "pretrained_model"
    kept = load_file(folder / "model.safetensors")
    assert any(key.startswith("model.encoder.image_encoders.") for key in kept)
    assert any(key.startswith("ema.module.encoder.image_encoders.") for key in kept)
    assert not [key for key in kept if "backbone" in key]
    assert (folder / "model.safetensors").stat().st_size < trunk.stat().st_size / 20
    stated = json.loads((folder / "config.json").read_text())["image_encoder"]
    assert stated["pretrained_digest"] == fetch(str(trunk)).digest
    moments = load_file(checkpoint / "training_state" / "optimizer_state.safetensors")
    assert 0 < sum(value.numel() for value in moments.values()) < 1_000_000, "the trunk has eleven million weights"


def test_it_acts_as_the_same_policy_with_its_trunk_among_the_weights(checkpoint, trunk):
    loaded = DpPlusPolicy.from_pretrained(checkpoint / "pretrained_model")
    config = copy.deepcopy(loaded.config)
    config.image_encoder = replace(config.image_encoder, frozen=False)
    other = get_policy_class(config.type)(config).eval()
    kept, backbone = load_file(checkpoint / "pretrained_model" / "model.safetensors"), fetch(str(trunk)).state
    state = {key: kept.get(key, value) for key, value in other.state_dict().items()}
    added = [key for key in state if key not in kept]
    assert added and all(".backbone." in key for key in added)
    other.load_state_dict(state)  # its trunk was filled from the file when it was made
    assert any(
        torch.equal(value, backbone["conv1.weight"]) for value in other.state_dict().values() if value.dim() == 4
    )
    shown = frame(loaded.config)
    noise = torch.randn(3, 8, 2)
    acted = [each.predict_action_chunk(shown, noise=noise) for each in (loaded, other)]
    torch.testing.assert_close(*acted)
    turned = {**shown, "observation.image": -shown["observation.image"]}
    loaded.reset()
    assert not torch.allclose(loaded.predict_action_chunk(turned, noise=noise), acted[0], atol=1e-4)


def test_a_training_is_resumed_with_it(checkpoint, tmp_path):
    assert_resumes(checkpoint.parent, tmp_path / "copy")


def test_another_trunk_under_its_name_is_refused(moved, trunk):
    other = saved_resnet(moved.parent / WEIGHTS, 1)
    with pytest.raises(ValueError) as error:
        load_policy(moved)
    assert fetch(str(other)).digest in str(error.value) and fetch(str(trunk)).digest in str(error.value)


def test_without_the_file_it_is_named_and_another_place_is_as_good(moved, trunk):
    with pytest.raises(ValueError, match=rf"{WEIGHTS}'?: there is no such file"):
        load_policy(moved)
    load_policy(moved, image_encoder={"pretrained_weights": str(trunk)})
    shutil.copy(trunk, moved.parent / WEIGHTS)
    load_policy(moved)


@pytest.mark.parametrize("kind", [ResNet18Config, PatchesConfig])
def test_training_leaves_it_as_it_is(kind, trunk):
    more = {"trunk": "resnet18"} if kind is PatchesConfig else {"num_keypoints": 4}
    encoder = kind(frozen=True, pretrained_weights=str(trunk), crop_shape=(33, 33), feature_dim=8, **more)
    images = {key: replace(feature, shape=(3, 33, 33)) for key, feature in IMAGES.items()}
    made = policy(inputs={**STATE, **images}, image_encoder=encoder)
    (held,) = [module.trunk for module in made.model.modules() if type(module).__name__ == "Frozen"]
    before = {key: value.clone() for key, value in held.state_dict().items()}
    known, start = {id(weight) for weight in held.parameters()}, [w.clone() for w in made.get_optim_params()]
    assert known and not known & {id(weight) for weight in made.get_optim_params()}
    learned(made, lambda: training_batch(made.config), updates=2)
    assert all(torch.equal(value, before[key]) for key, value in held.state_dict().items())
    assert any(not torch.equal(now, then) for now, then in zip(made.get_optim_params(), start, strict=True))


def test_a_trunk_that_was_trained_is_in_the_checkpoint_and_needs_no_file(tmp_path):
    file = saved_resnet(tmp_path / WEIGHTS, 0)
    encoder = ResNet18Config(pretrained_weights=str(file), crop_ratio=1.0, num_keypoints=4, feature_dim=8)
    images = {key: replace(feature, shape=(3, 33, 33)) for key, feature in IMAGES.items()}
    made = policy(inputs={**STATE, **images}, image_encoder=encoder)
    made.save_pretrained(tmp_path / "policy")
    file.unlink()
    loaded = DpPlusPolicy.from_pretrained(tmp_path / "policy")
    assert all(torch.equal(value, made.state_dict()[key]) for key, value in loaded.state_dict().items())
    with pytest.raises(ValueError, match=rf"{WEIGHTS}'?: there is no such file"):
        build(made.config)  # from scratch
