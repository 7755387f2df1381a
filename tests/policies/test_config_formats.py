"""A file keeps its meaning: what it leaves out is what that was when the file was written."""

import json
import logging
from pathlib import Path

import draccus
import pytest
from lerobot.configs import PreTrainedConfig
from lerobot.configs.train import TrainPipelineConfig
from tiny import PRESETS

from lerobot_dp_plus.policies import formats

ROOT = Path(__file__).parents[2]
#: What format 1 meant by a policy type alone, written down when format 2 came: prediction, sampler, its steps.
FORMER = {
    "dp_plus_unet": ("epsilon", "ddim", 10),
    "dp_plus_transformer": ("epsilon", "dpmpp_2m", 10),
    "dp_plus_flow": ("v", "euler", 10),
    "dp_plus_dit": ("v", "heun", 5),
}


def meaning(config):
    sampler = config.sampler
    return config.objective.prediction, sampler.get_choice_name(type(sampler)), sampler.num_steps


def checkpoint(folder: Path, **fields) -> Path:
    (folder / "config.json").write_text(json.dumps({"device": "cpu", "push_to_hub": False} | fields))
    return folder


def training(folder: Path, **fields) -> TrainPipelineConfig:
    file = folder / "train.json"
    policy = {"device": "cpu", "push_to_hub": False} | fields
    file.write_text(json.dumps({"dataset": {"repo_id": "made/up"}, "policy": policy}))
    return draccus.parse(TrainPipelineConfig, config_path=file, args=[])


@pytest.mark.parametrize("version", [{}, {"format_version": 1}], ids=["none stated", "1"])
@pytest.mark.parametrize("name", FORMER)
def test_a_checkpoint_of_format_1_means_what_it_meant(tmp_path, name, version):
    read = PreTrainedConfig.from_pretrained(checkpoint(tmp_path, type=name, fps=50, **version))
    assert meaning(read) == FORMER[name]
    assert (read.horizon, read.n_action_steps, read.observation_stride, read.optimizer_lr) == (16, 8, 1, 3e-4)
    assert getattr(read.network, "patch_size", 1) == 1
    read.follow(30)
    assert read.horizon == 16


@pytest.mark.parametrize("name", FORMER)
def test_a_training_config_may_say_that_it_is_of_format_1(tmp_path, name):
    assert meaning(training(tmp_path, type=name, format_version=1).policy) == FORMER[name]


@pytest.mark.parametrize("name", PRESETS)
def test_one_of_format_2_means_todays_preset(tmp_path, name):
    read = PreTrainedConfig.from_pretrained(checkpoint(tmp_path, type=name, format_version=2))
    assert meaning(read) == meaning(PreTrainedConfig.get_choice_class(name)(device="cpu", push_to_hub=False))
    assert meaning(read)[0] == "x1"


@pytest.mark.parametrize(
    ("name", "said", "prediction"),
    [
        ("dp_plus_unet", {"type": "diffusion"}, "epsilon"),
        ("dp_plus_unet", {"clip_range": 1.5}, "epsilon"),
        ("dp_plus_unet", {"type": "flow_matching"}, "v"),
        ("dp_plus_dit", {"type": "diffusion", "prediction": "v"}, "v"),
        ("dp_plus_flow", {"type": "shortcut"}, "x1"),
    ],
)
def test_half_of_an_axis_is_filled_by_its_member(tmp_path, name, said, prediction):
    sampler = {"type": "ddim"}
    read = PreTrainedConfig.from_pretrained(checkpoint(tmp_path, type=name, objective=said, sampler=sampler))
    assert read.objective.prediction == prediction
    for field, value in said.items():
        assert field == "type" or getattr(read.objective, field) == value


def test_switching_a_member_of_an_old_file_gives_the_new_member_as_it_is_today(tmp_path):
    folder = checkpoint(tmp_path, type="dp_plus_unet", format_version=1)
    read = PreTrainedConfig.from_pretrained(folder, cli_overrides=["--objective.type=flow_matching"])
    assert read.objective.prediction == "x1"  # ε is none of its choices
    read = PreTrainedConfig.from_pretrained(folder, cli_overrides=["--sampler.num_steps=7"])
    assert meaning(read) == ("epsilon", "ddim", 7)


def test_what_is_saved_again_states_every_field_and_todays_format(tmp_path):
    read = PreTrainedConfig.from_pretrained(checkpoint(tmp_path, type="dp_plus_dit", format_version=1))
    read._save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert saved["format_version"] == formats.FORMAT_VERSION
    assert formats.complete("dp_plus_dit", saved, unversioned=1) == saved
    assert meaning(PreTrainedConfig.from_pretrained(tmp_path)) == FORMER["dp_plus_dit"]


def test_a_training_config_without_a_format_is_told_what_it_leaves_open(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        read = training(tmp_path, type="dp_plus_unet", horizon=24, objective={"type": "diffusion"})
    assert meaning(read.policy)[0] == "x1"
    said = next(record.getMessage() for record in caplog.records if "format_version" in record.getMessage())
    for name in ("n_action_steps", "observation_stride", "optimizer_lr", "objective.prediction", "sampler"):
        assert name in said
    assert "horizon" not in said
    caplog.clear()
    with caplog.at_level(logging.INFO):
        training(tmp_path, type="dp_plus_unet", format_version=2)
    assert not [record for record in caplog.records if "format_version" in record.getMessage()]


def test_other_policies_are_read_as_they_are(tmp_path):
    read = PreTrainedConfig.from_pretrained(checkpoint(tmp_path, type="act", chunk_size=7, n_action_steps=7))
    assert read.chunk_size == 7
    assert formats.complete("act", {"chunk_size": 7}, unversioned=1) == {"chunk_size": 7}


@pytest.mark.parametrize("file", sorted((ROOT / "configs").glob("*.json")), ids=lambda file: file.stem)
def test_every_published_config_states_its_format(file):
    assert json.loads(file.read_text())["policy"]["format_version"] <= formats.FORMAT_VERSION
