"""A hand-edited config: null and values of another type are refused by the field's name, wherever the file is read."""

import json
import sys
from pathlib import Path

import pytest
from draccus.utils import DecodingError
from lerobot.configs import PreTrainedConfig, parser
from lerobot.configs.train import TrainPipelineConfig
from tiny import PRESETS, build, config

from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy

NULLS = {
    (
        "selection",
    ): 'selection = null: must be a mapping with a "type", one of "ask", "bidirectional", "coherent", "densest", "first", "function", "hold_mode", "lowest_energy", "most_likely"',
    ("objective", "times"): "objective.times = null: must be a mapping",
    (
        "objective",
        "path",
        "num_train_steps",
    ): "objective.path.num_train_steps = null: must be a whole number; null is not legal",
    ("image_encoder", "feature_dim"): "image_encoder.feature_dim = null: must be a whole number",
    (
        "ema",
        "decay",
    ): "ema.decay = null: must be a number; null is not legal here. Leave the field out for its default, 0.999",
    ("guidance",): 'guidance = null: must be a mapping.*Leave the field out for its default, {"type": "none"}',
    ("n_obs_steps",): "n_obs_steps = null: must be a whole number",
    ("noise_scale",): "noise_scale = null: must be a number",
    ("compile_sampler",): "compile_sampler = null: must be true or false",
    ("optimizer_weight_decay",): "optimizer_weight_decay = null: must be a number",
    ("normalization_mapping",): "normalization_mapping = null: must be a mapping of names",
    ("push_to_hub",): "push_to_hub = null: must be true or false",
}
WRONG = {
    ("network", "depth"): ("two", 'network.depth = "two": must be a whole number'),
    ("network", "causal"): (2, "network.causal = 2: must be true or false"),
    ("sampler",): ("heun", 'sampler = "heun": must be a mapping with a "type", one of'),
    ("horizon",): (16.5, "horizon = 16.5: must be a whole number"),
    ("optimizer_betas",): ([0.9, "b"], r'optimizer_betas = \[0.9, "b"\]: must be a list of 2, each a number'),
    ("normalization_mapping", "STATE"): ("MINMAX", 'normalization_mapping = .*each to one of "MIN_MAX"'),
    ("objective", "prediction"): (3, 'objective.prediction = 3: must be one of "epsilon"'),
    ("image_encoder", "crop_shape"): ([24], r"image_encoder.crop_shape = \[24\]: must be a list of 2.* or null"),
    ("input_features", "observation.state", "shape"): (4, "input_features.observation.state.shape = 4: must be a list"),
    ("ema",): (False, "ema = false: must be a mapping with any of"),
}
LEGAL = {
    ("fps",): None,
    ("objective", "clip_range"): None,
    ("image_encoder", "crop_shape"): None,
    ("optimizer_lr_backbone",): None,
    ("tags",): None,
    ("n_obs_steps",): "2",
    ("optimizer_lr",): "1e-4",
    ("optimizer_betas",): [0, 0.5],
    ("mask_padded_actions",): "false",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("saved")
    build(config("dp_plus_transformer")).save_pretrained(place)
    (place / "whole.json").write_text((place / "config.json").read_text())
    return place


def edit(folder: Path, path: tuple[str, ...], value: object) -> dict:
    saved = json.loads((folder / "whole.json").read_text())
    saved["objective"]["prediction"] = "x1"
    inner = saved
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    (folder / "config.json").write_text(json.dumps(saved))
    return saved


REFUSED = [*((path, None, words) for path, words in NULLS.items()), *((p, v, words) for p, (v, words) in WRONG.items())]


@pytest.mark.parametrize(("path", "value", "words"), REFUSED, ids=[".".join(path) for path, _, _ in REFUSED])
def test_what_a_field_cannot_take_is_refused_by_name(folder, path, value, words):
    edit(folder, path, value)
    for load in (PreTrainedConfig.from_pretrained, DpPlusPolicy.from_pretrained):
        with pytest.raises(ValueError, match=rf"config\.json of .*: {words}"):
            load(folder)


def test_so_it_is_in_a_training_config(folder):
    saved = edit(folder, ("ema", "decay"), None)
    (folder / "train_config.json").write_text(json.dumps({"dataset": {"repo_id": "x/y"}, "policy": saved}))
    with pytest.raises(DecodingError, match=r"policy\.ema\.decay = null: must be a number"):
        TrainPipelineConfig.from_pretrained(folder)


@pytest.mark.parametrize(("path", "value"), LEGAL.items(), ids=[".".join(path) for path in LEGAL])
def test_what_is_legal_stays_so(folder, path, value):
    edit(folder, path, value)
    assert PreTrainedConfig.from_pretrained(folder)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_saved_config_is_well_spelled(tmp_path, preset):
    made = config(preset)
    made._save_pretrained(tmp_path)
    assert PreTrainedConfig.from_pretrained(tmp_path) == made


def test_the_command_line_mends_a_file(folder):
    edit(folder, ("sampler", "num_steps"), None)
    assert PreTrainedConfig.from_pretrained(folder, cli_overrides=["--sampler.num_steps=4"]).sampler.num_steps == 4


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--policy.network.dim=wide", 'error: policy.network.dim = "wide": must be a whole number'),
        ("--policy.horizon=long", 'error: policy.horizon = "long": must be a whole number'),
        ("--policy.ema.decay=null", "error: policy.ema.decay = null: must be a number; null is not legal"),
    ],
)
def test_lerobots_scripts_say_it_in_one_line(monkeypatch, capsys, flag, said):
    def train(cfg: TrainPipelineConfig) -> None:
        raise AssertionError("must not get here")

    monkeypatch.setattr(sys, "argv", ["lerobot-train", "--dataset.repo_id=x/y", "--policy.type=dp_plus_dit", flag])
    with pytest.raises(SystemExit):
        parser.wrap()(train)()
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(lines) == 1 and lines[0].startswith(said)


def test_policies_of_others_are_read_as_ever(monkeypatch):
    seen = []

    def train(cfg: TrainPipelineConfig) -> None:
        seen.append(cfg.policy.type)

    flags = ["--dataset.repo_id=x/y", "--policy.type=act", "--policy.device=cpu", "--policy.dropout=null"]
    monkeypatch.setattr(sys, "argv", ["lerobot-train", *flags])
    parser.wrap()(train)()
    assert seen == ["act"]
