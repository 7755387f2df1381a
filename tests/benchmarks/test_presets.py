"""Presets are trained by their type alone; what is kept is that of the preset as it is now; what was interrupted goes on."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace

import draccus
import pytest
import torch
from lerobot.configs import PreTrainedConfig
from safetensors.torch import load_file
from tiny_recipes import DEMOS, in_this_process, shrunk

from benchmarks import judged, presets
from benchmarks.paired import our_training, resumed, running
from lerobot_dp_plus.samplers import DPMpp2M


@pytest.fixture
def measured(tmp_path, called):
    """Measures, and returns the commands that it took."""

    def measure(*flags: str) -> list[list[str]]:
        called.clear()
        where = [f"--root={DEMOS}", f"--folder={tmp_path / 'kept'}", f"--json={tmp_path / 'found.json'}"]
        assert presets.main([*where, "--episodes=1", *flags]) == 0
        return list(called)

    return measure


def test_presets_are_trained_by_their_type_alone(measured, tmp_path, capsys):
    commands = measured("--updates=40", "--batch-size=3")
    assert [command[0] for command in commands] == ["train", "evaluate"] * len(presets.PRESETS)
    for preset, command in zip(presets.PRESETS, commands[::2], strict=True):
        told = dict(flag.removeprefix("--").split("=") for flag in command[1:])
        assert {name: value for name, value in told.items() if name.startswith("policy.")} == {
            "policy.type": preset,
            "policy.push_to_hub": "false",
            "policy.device": "cpu",
        }
        assert (told["steps"], told["batch_size"], told["save_freq"]) == ("40", "3", "8")
    assert all("--seed=100000" in command for command in commands[1::2])
    rows = json.loads((tmp_path / "found.json").read_text())["rows"]
    assert [(row["preset"], row["updates"], row["batch_size"]) for row in rows] == [(p, 40, 3) for p in presets.PRESETS]
    assert "| `dp_plus_dit` | 40 of batch 3 | 100.0 % (20.7–100.0) of 1 |" in capsys.readouterr().out


def test_what_is_kept_is_not_run_again_and_another_number_of_updates_is(measured):
    one = ("--presets", "dp_plus_flow")
    assert len(measured(*one)) == 2 and measured(*one) == []
    assert [command[0] for command in measured(*one, "--episodes=2")] == ["evaluate"]
    assert len(measured(*one, "--updates=7")) == 2


def test_a_training_of_other_defaults_is_refused(measured, monkeypatch):
    measured("--presets", "dp_plus_unet")
    stock = presets.defaults

    def other(preset):
        config = PreTrainedConfig.get_choice_class(preset)()
        return draccus.encode(replace(config, sampler=DPMpp2M(3)))

    monkeypatch.setattr(presets, "defaults", other)
    number = stock("dp_plus_unet")["sampler"]["num_steps"]
    with pytest.raises(ValueError, match=rf"sampler.num_steps: {number} → 3.*another --folder"):
        measured("--presets", "dp_plus_unet")
    monkeypatch.setattr(presets, "defaults", lambda preset: stock(preset) | {"a_new_field": 1})
    assert measured("--presets", "dp_plus_unet") == []


def test_another_member_of_an_axis_is_one_change():
    before = {"sampler": {"type": "ddim", "num_steps": 10}, "horizon": 16, "gone": 1}
    now = {"sampler": {"type": "heun", "num_steps": 5}, "horizon": 16, "new": 2}
    (found,) = presets.changed(before, now)
    assert found.startswith("sampler: ") and presets.changed(before, before) == []


@dataclass
class Held:
    """A dataset's features."""

    names: list[str] = field(default_factory=lambda: ["observation.state", "action"])

    def at(self, root):
        (root / "meta").mkdir()
        shape = {"shape": [96, 96, 3]}
        (root / "meta" / "info.json").write_text(json.dumps({"features": dict.fromkeys(self.names, shape)}))
        return root


def test_pictures_are_seen_without_the_corners(tmp_path):
    picture, corners = "observation.image", "observation.environment_state"
    root = Held(["observation.state", picture, corners]).at(tmp_path)
    for pixels, eyes, other in ((True, picture, corners), (False, corners, picture)):
        (flag,) = presets.seen(root, pixels)
        inputs = json.loads(flag.removeprefix("--policy.input_features="))
        assert eyes in inputs and other not in inputs and inputs.keys() >= {"observation.state"}
    assert inputs[corners] == {"type": "ENV", "shape": [16]}


def test_a_dataset_without_what_is_to_be_seen_is_refused(tmp_path, capsys):
    assert presets.seen(DEMOS, pixels=False) == ()
    with pytest.raises(SystemExit):
        presets.main([f"--root={DEMOS}", "--pixels", f"--folder={tmp_path}", f"--json={tmp_path / 'x.json'}"])
    assert "holds no observation.image" in capsys.readouterr().err


def test_an_interrupted_training_ends_in_the_weights_of_an_uninterrupted_one(tmp_path, monkeypatch):
    monkeypatch.setattr(judged, "run", in_this_process)
    recipe = shrunk(judged.RECIPE, tmp_path / "tiny.json")
    command = our_training(recipe, DEMOS, 1, "--save_freq=2", "--batch_size=4", steps=4)
    place = judged.train_once("tiny", command, 1, tmp_path / "kept").folder
    checkpoints = place / "checkpoints"
    whole = load_file(checkpoints / "last" / "pretrained_model" / "model.safetensors")

    def interrupt(kept: list[str]) -> None:
        """As if it had been ended after these checkpoints."""
        (place / "seconds.json").unlink()
        (checkpoints / "last").unlink()
        for saved in checkpoints.glob("[0-9]*"):
            if saved.name not in kept:
                shutil.rmtree(saved)
        if kept:
            (checkpoints / "last").symlink_to(kept[-1])

    halves = [sorted(saved.name for saved in checkpoints.glob("[0-9]*"))[:1], []]
    for kept in halves:
        interrupt(kept)
        seconds = judged.train_once("tiny", command, 1, tmp_path / "kept").seconds
        weights = load_file(checkpoints / "last" / "pretrained_model" / "model.safetensors")
        assert weights.keys() == whole.keys() and all(torch.equal(weights[name], whole[name]) for name in whole)
        assert (checkpoints / "last").resolve().name.lstrip("0") == "4"
        assert seconds > 1 if kept else seconds == 1, "a part before a checkpoint counts, one without does not"


def test_what_another_process_trains_is_left_alone(tmp_path):
    place = judged.training_place("tiny", ["train"], 1, tmp_path)
    place.mkdir(parents=True)
    line = [sys.executable, "-c", "input()", f"--output_dir={place}"]
    with subprocess.Popen(line, stdin=subprocess.PIPE) as process:
        assert running(line[-1]) == process.pid
        with pytest.raises(RuntimeError, match=f"process {process.pid} trains"):
            judged.train_once("tiny", ["train"], 1, tmp_path)
        process.communicate(b"\n")
    assert place.exists() and running(line[-1]) is None


def test_a_resumed_command_is_that_of_the_same_script():
    ours = our_training(judged.RECIPE, DEMOS, 1)
    assert resumed(ours) == ours[: ours.index("train") + 1] and len(resumed(ours)) == 4
    hosts = ["python", "-m", "lerobot.scripts.lerobot_train", "--policy.type=diffusion", "--steps=3"]
    assert resumed(hosts) == hosts[:3]
