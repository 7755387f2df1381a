"""publication.json: what is found out, what is refused, and that nothing is made up."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from lerobot.configs import FeatureType, PolicyFeature, PreTrainedConfig
from lerobot.policies import get_policy_class
from policies.tiny import ENV_STATE, IMAGES, STATE, config
from safetensors.torch import save_file

from lerobot_dp_plus.auxiliary.dynamics import Outcome
from lerobot_dp_plus.auxiliary.state_estimation import Regression
from lerobot_dp_plus.ema import EmaConfig
from lerobot_dp_plus.encoders import ResNet18Config, SmallCnnConfig
from lerobot_dp_plus.hub.publication import Publication, trained_weights, weights_facts

RELEASED = sorted(path.parent for path in (Path(__file__).parents[2] / "hub_cards").glob("*/publication.json"))
#: Large enough for a ResNet.
PICTURE = {"observation.image": PolicyFeature(FeatureType.VISUAL, (3, 48, 48))}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A pretrained_model folder with two trained tensors (3·4 + 5 numbers), an average and a training state."""
    folder = tmp_path / "checkpoints" / "000012" / "pretrained_model"
    folder.mkdir(parents=True)
    weights = {"model.a": torch.zeros(3, 4), "model.b": torch.zeros(5), "ema.module.a": torch.zeros(3, 4)}
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"type": "dp_plus_unet", "license": "mit"}))
    dataset = tmp_path / "data" / "meta"
    dataset.mkdir(parents=True)
    (dataset / "info.json").write_text(json.dumps({"total_episodes": 9, "total_frames": 1234}))
    run = {"dataset": {"repo_id": "a/b", "root": str(dataset.parent), "episodes": None}}
    (folder / "train_config.json").write_text(json.dumps(run))
    (folder.parent / "training_state").mkdir()
    (folder.parent / "training_state" / "training_step.json").write_text(json.dumps({"step": 12}))
    return folder


def test_collects_what_the_files_say(checkpoint: Path) -> None:
    found = Publication.collect(checkpoint, selection_rule="the last one", latency_hardware=None)
    assert found.parameters == 3 * 4 + 5
    assert found.weights_sha256 == hashlib.sha256((checkpoint / "model.safetensors").read_bytes()).hexdigest()
    assert (found.step, found.license, found.selection_rule) == (12, "mit", "the last one")
    assert (found.dataset_episodes, found.dataset_frames) == (9, 1234)
    assert found.lerobot and found.torch and found.python
    assert found.latency_hardware is None and found.train_seconds is None and found.dataset_license is None


@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize(
    ("inputs", "fields"),
    [
        ({**STATE, **ENV_STATE}, {}),
        ({**STATE, **ENV_STATE}, {"dynamics": Outcome(steps=6, dim=16, depth=1)}),
        (PICTURE, {"image_encoder": ResNet18Config()}),
        (PICTURE, {"image_encoder": ResNet18Config(pretrained_weights="IMAGENET1K_V1")}),
        (
            {**STATE, **ENV_STATE, **IMAGES},
            {
                "dynamics": Outcome(steps=6, dim=16, depth=1),
                "state_estimation": Regression(samples=2),
                "image_encoder": SmallCnnConfig(crop_ratio=1.0),
            },
        ),
    ],
    ids=["state", "foresight", "camera", "pretrained camera", "perception"],
)
def test_parameters_are_what_is_trained(
    tmp_path: Path, inputs: dict[str, PolicyFeature], fields: dict[str, Any], average: bool
) -> None:
    made = config(inputs=inputs, ema=EmaConfig(enabled=average), **fields)
    made.pretrained_path = tmp_path  # nothing is fetched
    policy = get_policy_class(made.type)(made)
    policy._save_pretrained(tmp_path)
    trained = [name for name, _ in policy.model.named_parameters()]
    assert sorted(trained_weights(policy.state_dict())) == sorted(f"model.{name}" for name in trained)
    assert Publication.collect(tmp_path).parameters == sum(weight.numel() for weight in policy.model.parameters())


@pytest.mark.parametrize("folder", RELEASED, ids=lambda folder: folder.name)
def test_parameters_of_a_released_checkpoint(folder: Path) -> None:
    made = PreTrainedConfig.from_pretrained(folder)
    made.device = "cpu"
    count = sum(weight.numel() for weight in get_policy_class(made.type)(made).model.parameters())
    assert Publication.read(folder).parameters == count
    assert weights_facts(folder / "model.safetensors").get("parameters", count) == count


def test_options_go_before_what_was_found(checkpoint: Path) -> None:
    assert Publication.collect(checkpoint, license="apache-2.0", step=3).license == "apache-2.0"


def test_a_part_of_a_dataset_is_not_counted_as_the_whole(checkpoint: Path) -> None:
    run = json.loads((checkpoint / "train_config.json").read_text())
    run["dataset"]["episodes"] = [0, 1]
    (checkpoint / "train_config.json").write_text(json.dumps(run))
    assert Publication.collect(checkpoint).dataset_episodes is None


def test_an_empty_folder_tells_nothing_but_versions(tmp_path: Path) -> None:
    known = {key for key, value in asdict(Publication.collect(tmp_path)).items() if value is not None}
    assert known <= {"lerobot", "lerobot_policy_dp_plus", "torch", "python", "install"}


def test_write_and_read_are_inverse_and_leave_nothing_else(checkpoint: Path, tmp_path: Path) -> None:
    written = Publication.collect(checkpoint, note="Zürich, 2 Kerne", train_seconds=12.5)
    folder = tmp_path / "upload"
    folder.mkdir()
    written.write(folder)
    assert Publication.read(folder) == written
    assert [path.name for path in folder.iterdir()] == ["publication.json"]


def test_nothing_is_known_without_a_file(tmp_path: Path) -> None:
    assert Publication.read(tmp_path) == Publication()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"licence": "mit"}, "licence: no such field; legal are .*'license'"),
        ({"step": "many"}, "step = 'many'"),
        ({"step": True}, "step = True"),
        ({"parameters": -1}, "parameters = -1"),
        ({"repo_id": "no spaces/please"}, "repo_id = 'no spaces/please'"),
        ({"dataset_url": "javascript:alert(1)"}, "dataset_url = 'javascript:alert.1.': expected http"),
    ],
)
def test_refusals_name_field_and_value(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Publication.collect(tmp_path, **options)


def test_a_file_with_an_unknown_field_or_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "publication.json").write_text('{"flavour": "sweet"}')
    with pytest.raises(ValueError, match="unknown field flavour"):
        Publication.read(tmp_path)
    (tmp_path / "publication.json").write_text('{"step": 1')
    with pytest.raises(ValueError, match=r"publication.json is truncated or no JSON"):
        Publication.read(tmp_path)


def test_truncated_weights_are_refused(checkpoint: Path) -> None:
    file = checkpoint / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(ValueError, match=r"model\.safetensors is truncated"):
        Publication.collect(checkpoint)
