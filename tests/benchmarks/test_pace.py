"""Three loaders, one training: the same weights after the same updates, and minutes that are updates × seconds an update."""

import json
import sys
from pathlib import Path

import pytest
import torch
from lerobot.scripts import lerobot_train
from safetensors.torch import load_file
from tiny_recipes import DEMOS, shrunk

import lerobot_dp_plus.policies.precision as policies_precision
from benchmarks import common, paired
from benchmarks.contenders import our_config
from benchmarks.judged import RECIPE, training_key
from benchmarks.pace import LOADERS, Loader, kept_pace, measure, minutes, pace
from benchmarks.paired import host_through_our_loader, our_training, precision
from lerobot_dp_plus import cli

#: In this process; LeRobot's default starts every worker anew, which takes the seconds of its imports.
FORKED = "--dataloader_multiprocessing_context=fork"


@pytest.fixture
def hosts(tmp_path) -> list[str]:
    """LeRobot's `diffusion`, as small as it gets, three updates through `dp-plus train`; what follows `train`."""
    command = host_through_our_loader(our_config(RECIPE, dtype="float32"), DEMOS, 1, steps=3, our_steps=6)
    small = ("--policy.down_dims=[8,16,32]", "--policy.diffusion_step_embed_dim=8", "--batch_size=4")
    return [*command[4:], *small]


def test_every_loader_gives_the_same_weights(tmp_path, hosts, monkeypatch):
    weights = {}
    for name, loader in LOADERS.items():
        assert cli.main(["train", *hosts, *loader.flags, FORKED, f"--output_dir={tmp_path / name}"]) == 0
        weights[name] = load_file(tmp_path / name / "checkpoints" / "last" / "pretrained_model" / "model.safetensors")
        saved = json.loads((tmp_path / name / "checkpoints/last/pretrained_model/train_config.json").read_text())
        assert saved["num_workers"] == loader.workers and saved["steps"] == 3
    flags = [flag for flag in hosts if not flag.startswith("fast_loading")]
    monkeypatch.setattr(sys, "argv", ["lerobot-train", *flags, f"--output_dir={tmp_path / 'script'}"])
    lerobot_train.main()
    weights["its own script"] = load_file(tmp_path / "script/checkpoints/last/pretrained_model/model.safetensors")
    first = weights.pop("memory")
    for name, others in weights.items():
        assert others.keys() == first.keys(), name
        assert all(torch.equal(others[key], first[key]) for key in first), name


def test_the_pace_is_the_mean_after_the_warm_up():
    seen = [(10.0, 9.0), (11.0, 0.5), (13.0, 1.0), (14.0, 0.5)]  # when it ended, seconds waited
    assert pace(seen, warm_up=1) == {"seconds": pytest.approx(4 / 3), "share_waiting": pytest.approx(2 / 4)}
    assert pace(seen, warm_up=2) == {"seconds": pytest.approx(1.5), "share_waiting": pytest.approx(1.5 / 3)}


def test_both_sides_take_turns_through_every_loader(tmp_path, hosts):
    ours = our_training(shrunk(RECIPE, tmp_path / "tiny.json"), DEMOS, 1, "--batch_size=4")
    quick = {
        name: Loader(loader.title, loader.memory, loader.workers, warm_up=1, updates=2)
        for name, loader in LOADERS.items()
    }
    found = measure({"ours": ours[4:], "host": hosts}, 1, quick, [FORKED])
    assert found.keys() == {f"{side} + {loader}" for side in ("ours", "host") for loader in LOADERS}
    assert all(len(one["seconds"]["values"]) == 1 and one["seconds"]["median"] > 0 for one in found.values())


def test_a_pace_is_kept_and_measured_again_where_that_is_asked(tmp_path, monkeypatch):
    commands = {"ours": ["python", "-c", "…", "train", "--steps=8", "--seed=1"]}
    lines = []

    def run(command, log) -> float:
        lines.append(command)
        asked, kept = command[-2:]
        told = json.loads(Path(asked).read_text())
        assert told == {"commands": {"ours": ["--steps=8", "--seed=1"]}, "rounds": 2}
        common.write_json(log.with_suffix(".json"), {"paces": {"ours + host": {"seconds": {"median": 1.5}}}})
        assert str(log.with_suffix(".json")) == kept
        return 1.0

    monkeypatch.setattr("benchmarks.pace.run", run)
    found = kept_pace(commands, 2, tmp_path)
    assert kept_pace(commands, 2, tmp_path) == found and len(lines) == 1
    kept_pace(commands, 2, tmp_path, again=True)
    assert len(lines) == 2 and minutes(found, "ours", "host", 400) == 10


@pytest.mark.parametrize(("slower", "expected"), [(True, "float32"), (False, "bfloat16")])
def test_both_sides_train_in_what_this_processor_is_fast_in(tmp_path, monkeypatch, slower, expected):
    recipe = json.loads(RECIPE.read_text())
    recipe["policy"]["dtype"] = "bfloat16"
    config = tmp_path / "recipe.json"
    config.write_text(json.dumps(recipe))
    monkeypatch.setattr(paired, "emulated", lambda dtype, device: slower and dtype == "bfloat16")
    assert precision(config) == expected and precision(config, "--policy.dtype=float16") == "float16"
    ours = our_training(config, DEMOS, 1)
    assert ("--policy.dtype=float32" in ours) is slower
    told = our_training(config, DEMOS, 1, "--policy.dtype=bfloat16")
    assert [flag for flag in told if "dtype" in flag] == ["--policy.dtype=bfloat16"]
    host = host_through_our_loader(our_config(config, dtype=precision(config)), DEMOS, 1, steps=3, our_steps=6)
    assert ("--policy.use_amp=true" in host) is not slower


def test_what_is_emulated_is_measured(monkeypatch):
    seconds = {"float32": 1.0, "bfloat16": 1.1, "float16": 60.0}
    monkeypatch.setattr(policies_precision, "product_seconds", lambda dtype, device: seconds[dtype])
    policies_precision.emulated.cache_clear()
    assert [policies_precision.emulated(name) for name in common.DTYPES] == [False, False, True]
    policies_precision.emulated.cache_clear()


def test_the_long_training_is_one_whoever_asks_for_it(tmp_path):
    """By its command alone, so that a training begun by hand with these words is found."""
    config = our_config(RECIPE, dtype="float32")
    one = host_through_our_loader(config, tmp_path, 1, steps=16_000, our_steps=8500)
    data = paired.data_flags(tmp_path, 1)
    more = ("--env_eval_freq=0", "--log_freq=500", "--save_freq=2000")
    by_hand = paired.host_training(config, *data, *more, steps=16_000, our_steps=8500)
    other = paired.dp_plus("train", *by_hand[3:])
    assert one == other and training_key(one) == training_key(other)
