"""What a folder must hold to be loaded, and the one message when it does not; no server, and no connection, is needed."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from lerobot.configs import FeatureType, PolicyFeature, PreTrainedConfig
from safetensors.torch import load_file, save_file

import lerobot_dp_plus
from lerobot_dp_plus import patches
from lerobot_dp_plus.encoders import SmallCnnConfig
from lerobot_dp_plus.policies.configuration_dp_plus import FORMAT_VERSION
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusFlowPolicy, DpPlusPolicy
from lerobot_dp_plus.policies.versions import DISTRIBUTION

KEPT = Path(__file__).parents[1] / "checkpoints" / f"format_{FORMAT_VERSION}"
WEIGHTS = "model.safetensors"
UPGRADE = rf"{DISTRIBUTION} 99\.1 wrote it and {lerobot_dp_plus.__version__} is installed: upgrade"

patches.install()
pytestmark = pytest.mark.usefixtures("no_connections")


@pytest.fixture
def folder(tmp_path):
    """A checkpoint to be spoilt."""
    return Path(shutil.copytree(KEPT / "dp_plus_flow", tmp_path / "checkpoint"))


def written_by_the_future(folder: Path) -> None:
    save_file(load_file(folder / WEIGHTS), folder / WEIGHTS, {"format": "pt", DISTRIBUTION: "99.1"})


def change(folder: Path, **fields) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


DOORS = {
    "the policy's class": DpPlusPolicy.from_pretrained,
    "LeRobot's config": PreTrainedConfig.from_pretrained,
}


@pytest.mark.parametrize("load", DOORS.values(), ids=DOORS)
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"consistency": 3}, "`consistency`"),
        ({"sampler": {"type": "euler", "num_steps": 3, "churn": 1}}, "`sampler`.*`churn`"),
        ({"sampler": {"type": "telepathy"}}, "'telepathy'.*legal are ancestral, .*euler"),
        (
            {"format_version": FORMAT_VERSION + 1},
            f"format_version = {FORMAT_VERSION + 1}.*reads up to {FORMAT_VERSION}",
        ),
        (
            {"type": "dp_plus_telepathy"},
            "'dp_plus_telepathy'.*is unknown.*knows dp_plus_bc, .*dp_plus_dit, dp_plus_flow",
        ),
    ],
)
def test_a_checkpoint_of_a_newer_version_is_refused_with_both_versions(folder, fields, reason, load):
    change(folder, **fields)
    with pytest.raises(ValueError, match=reason) as caught:
        load(folder)
    assert "upgrade" not in str(caught.value) or "format_version" in fields  # this very version wrote the weights
    assert str(folder) in str(caught.value)
    written_by_the_future(folder)
    with pytest.raises(ValueError, match=f"{reason}.*{UPGRADE}"):
        load(folder)


def test_weights_of_a_newer_version_are_refused_with_both_versions(folder):
    save_file({**load_file(folder / WEIGHTS), "model.more": torch.zeros(1)}, folder / WEIGHTS, {DISTRIBUTION: "99.1"})
    with pytest.raises(ValueError, match=rf"does not fit its config.*model\.more.*{UPGRADE}"):
        DpPlusPolicy.from_pretrained(folder)


@pytest.mark.parametrize("version", ["99.1", "not a version"])
def test_a_newer_version_that_fits_is_loaded(folder, version):
    save_file(load_file(folder / WEIGHTS), folder / WEIGHTS, {DISTRIBUTION: version})
    assert DpPlusPolicy.from_pretrained(folder).config.type == "dp_plus_flow"


def test_a_wrong_override_is_not_blamed_on_the_file(folder):
    with pytest.raises(Exception, match="horizon = -1: must be at least 1") as caught:
        PreTrainedConfig.from_pretrained(folder, cli_overrides=["--horizon=-1"])
    assert "config.json of" not in str(caught.value)
    change(folder, horizon=-1)
    with pytest.raises(ValueError, match=r"config\.json of .*horizon = -1: must be at least 1"):
        PreTrainedConfig.from_pretrained(folder)


@pytest.mark.parametrize("load", DOORS.values(), ids=DOORS)
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"type": "dp_pl', r"truncated or no JSON \(15 bytes\)"),
        ("[]", "names no policy"),
        ('{"horizon": 8}', "'type'"),
    ],
)
def test_a_broken_config_is_named(folder, content, reason, load):
    (folder / "config.json").write_text(content)
    with pytest.raises(ValueError, match=rf"config\.json of {folder} .*{reason}"):
        load(folder)


def test_a_type_of_nobody_is_named_with_what_there_is(folder):
    change(folder, type="telepathy")
    with pytest.raises(ValueError, match=r"'telepathy'.*LeRobot knows act, .*dp_plus_dit.*install that plugin"):
        PreTrainedConfig.from_pretrained(folder)


def test_what_lerobot_says_without_the_plugin(folder, monkeypatch):
    """Nothing of ours is there to say more: this is the symptom for which the card has the cure."""
    theirs = {key: kind for key, kind in PreTrainedConfig.get_known_choices().items() if not key.startswith("dp_plus_")}
    monkeypatch.setattr(PreTrainedConfig, "_choice_registry", theirs)
    stock = PreTrainedConfig.from_pretrained.__func__.stock
    with pytest.raises(ValueError, match=r"Policy type 'dp_plus_flow' \(from config\.json of .*is not registered"):
        stock(PreTrainedConfig, folder)


@pytest.mark.parametrize(
    ("present", "said"),
    [({}, "it has config.json, expected"), ({"model-00001-of-00002.safetensors": b""}, "model-00001-of-00002")],
)
def test_missing_weights_are_named_with_what_there_is(folder, present, said):
    (folder / WEIGHTS).unlink()
    for name, content in present.items():
        (folder / name).write_bytes(content)
    with pytest.raises(FileNotFoundError, match=rf"no model\.safetensors in {folder}; it has .*") as caught:
        DpPlusPolicy.from_pretrained(folder)
    assert said in str(caught.value)


def test_the_folder_above_names_the_right_one(folder):
    run = folder.parent / "run"
    shutil.copytree(folder, run / "checkpoints" / "last" / "pretrained_model")
    for above in (run, run / "checkpoints", run / "checkpoints" / "last"):
        with pytest.raises(FileNotFoundError, match=rf"no config\.json in {above}; the checkpoint is {run}/.*model$"):
            DpPlusPolicy.from_pretrained(above)


class Malicious:
    """Unpickling it creates a file."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "policy.pth", "model.pkl", "last.ckpt"])
def test_pickles_are_refused_by_name_and_never_opened(folder, tmp_path, name):
    trace = tmp_path / "it ran"
    torch.save(Malicious(trace), tmp_path / "bait")
    torch.load(tmp_path / "bait", weights_only=False)
    assert trace.exists()  # the bait works
    trace.unlink()

    (folder / WEIGHTS).unlink()
    shutil.copy(tmp_path / "bait", folder / name)
    with pytest.raises(
        FileNotFoundError, match=rf"no model\.safetensors in .*only pickled weights \['{name}'\].*never"
    ):
        DpPlusPolicy.from_pretrained(folder)
    shutil.copy(tmp_path / "bait", folder / WEIGHTS)  # a pickle by another name
    with pytest.raises(ValueError, match=r"model\.safetensors is truncated or not a safetensors file"):
        DpPlusPolicy.from_pretrained(folder)
    assert not trace.exists()


def test_weights_to_start_from_are_not_fetched_for_a_checkpoint(folder, monkeypatch):
    """An image encoder may begin with downloaded, pickled weights; those of the checkpoint replace them."""
    asked = []

    def backbone(self, *, fetch_pretrained):
        asked.append(fetch_pretrained)
        return torch.nn.AvgPool2d(8), 3

    monkeypatch.setattr(SmallCnnConfig, "backbone", backbone)
    config = PreTrainedConfig.from_pretrained(folder)
    config.image_encoder = SmallCnnConfig(num_keypoints=2, feature_dim=2)
    config.input_features["observation.image"] = PolicyFeature(FeatureType.VISUAL, (3, 32, 32))
    DpPlusFlowPolicy(config).save_pretrained(folder)
    assert asked == [True]
    loaded = DpPlusPolicy.from_pretrained(folder)
    assert asked == [True, False]
    assert loaded.config == config and loaded.config.pretrained_path is None
