"""The mean of late checkpoints: which ones, of what, and that the result is a policy like any other."""

import json
import shutil
from pathlib import Path

import pytest
import tiny
import torch
from conftest import finished_training, local_checkpoint
from lerobot.policies import get_policy_class
from safetensors.torch import load_file, save_file

from lerobot_dp_plus.cli import main as cli
from lerobot_dp_plus.ema import EmaConfig
from lerobot_dp_plus.publishing.average import average

STEPS = (5, 40, 100)


def scaled(training: Path, name: str, factor: float) -> None:
    """A further checkpoint whose weights are `factor` times those of the first."""
    target = training / "checkpoints" / name
    shutil.copytree(training / "checkpoints" / "000005", target)
    (target / "training_state" / "training_step.json").write_text(json.dumps({"step": int(name)}))
    file = target / "pretrained_model" / "model.safetensors"
    state = load_file(file)
    trained = {
        k: v * factor for k, v in state.items() if k.startswith(("model.", "ema.module.")) and ".units." not in k
    }
    save_file({**state, **trained}, file)


@pytest.fixture(params=[True, False], ids=["moving average", "weights"])
def training(tmp_path: Path, request) -> Path:
    """Checkpoints at steps 5, 40 and 100 with weights w, 3 w and 8 w; `last` is the hundredth."""
    folder = finished_training(tmp_path / "run", ema=EmaConfig(enabled=request.param))
    scaled(folder, "000040", 3.0)
    scaled(folder, "000100", 8.0)
    (folder / "checkpoints" / "last").unlink()
    (folder / "checkpoints" / "last").symlink_to("000100")
    return folder


def sampling(folder: Path) -> dict[str, torch.Tensor]:
    """The weights that sample, by their names in the network."""
    state = load_file(folder / "model.safetensors")
    prefix = "ema.module." if any(key.startswith("ema.") for key in state) else "model."
    kept = f"{prefix}units."  # the data's, which are no weights
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix) and not k.startswith(kept)}


@pytest.mark.parametrize(("last", "factor"), [(2, 5.5), (3, 4.0)])
def test_the_mean_is_that_of_the_weights_that_sample(training, tmp_path, last, factor):
    assert average(training, tmp_path / "mean", last=last) == [100, 40, 5][:last]
    once = sampling(training / "checkpoints" / "000005" / "pretrained_model")
    found = sampling(tmp_path / "mean")
    assert found.keys() == once.keys()
    for key, value in found.items():
        torch.testing.assert_close(value, factor * once[key])
    assert json.loads((tmp_path / "mean" / "average.json").read_text()) == {"steps": [100, 40, 5][:last]}


def test_the_result_samples_and_trains_on(training, tmp_path):
    average(training, tmp_path / "mean")
    kept = local_checkpoint(training)
    assert (tmp_path / "mean" / "config.json").read_bytes() == (kept / "config.json").read_bytes()
    assert {file.name for file in kept.iterdir()} < {file.name for file in (tmp_path / "mean").iterdir()}
    policy = get_policy_class("dp_plus_transformer").from_pretrained(tmp_path / "mean")
    batch = tiny.window([tiny.frame(policy.config)] * 2)
    first = policy.predict_action_chunk(batch, noise=tiny.noise(policy.config))
    assert torch.isfinite(first).all()
    policy.train()
    tiny.step(policy, torch.optim.Adam(policy.get_optim_params(), lr=1e-2))
    assert not torch.equal(policy.eval().predict_action_chunk(batch, noise=tiny.noise(policy.config)), first)


def test_on_the_command_line(training, tmp_path, capsys):
    assert cli(["average", str(training), "--last=2", f"--output={tmp_path / 'mean'}"]) == 0
    assert "steps 40, 100" in capsys.readouterr().out
    assert (tmp_path / "mean" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--last=1"], "last = 1: a mean needs at least 2"),
        (["--last=4"], "holds 3 (steps 100, 40, 5); legal: 2 to 3"),
    ],
)
def test_too_few_checkpoints(training, tmp_path, capsys, options, message):
    assert cli(["average", str(training), *options, f"--output={tmp_path / 'mean'}"]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "mean").exists()


def test_a_single_checkpoint_says_what_to_do(checkpoint, tmp_path):
    with pytest.raises(ValueError, match=r"holds 1 .steps 5.; train with a smaller save_freq"):
        average(checkpoint, tmp_path / "mean")


def test_nothing_is_overwritten_or_half_written(training, tmp_path):
    output = tmp_path / "mean"
    output.mkdir()
    (output / "mine").touch()
    with pytest.raises(FileExistsError, match="pass --overwrite"):
        average(training, output)
    with pytest.raises(ValueError, match="holds the training itself"):
        average(training, tmp_path, overwrite=True)
    broken = training / "checkpoints" / "000040" / "pretrained_model" / "model.safetensors"
    broken.write_bytes(broken.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"000040.*truncated"):
        average(training, output, overwrite=True)
    assert [file.name for file in output.iterdir()] == ["mine"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mean", "run"]


def test_a_folder_without_a_training(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected the output_dir of a training"):
        average(tmp_path, tmp_path / "mean")


def test_checkpoints_of_another_objective_are_refused(training, tmp_path):
    file = training / "checkpoints" / "000005" / "pretrained_model" / "config.json"
    config = json.loads(file.read_text())
    config["objective"]["prediction"] = "v"
    file.write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"000005.* does not fit .*000100.*prediction"):
        average(training, tmp_path / "mean")
