"""`policy.push_to_hub=true` in LeRobot's own training script: one commit with everything, and no loss without a Hub."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fabricated import recording
from lerobot.configs.train import TrainPipelineConfig
from lerobot.datasets import LeRobotDatasetMetadata
from lerobot.scripts import lerobot_train
from safetensors.torch import load_file

from lerobot_dp_plus.augmentation import PushTMirror
from lerobot_dp_plus.cli import main as cli
from lerobot_dp_plus.hub.patience import Patience
from lerobot_dp_plus.policies import publication
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusFlowPolicy
from lerobot_dp_plus.publishing.checks import actions_of

NAME = "alice/trained"
EVERYTHING = {
    "README.md",
    "config.json",
    "model.safetensors",
    "policy_postprocessor.json",
    "policy_postprocessor_step_1_unnormalizer_processor.safetensors",
    "policy_preprocessor.json",
    "policy_preprocessor_step_4_normalizer_processor.safetensors",
    "publication.json",
    "train_config.json",
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    return recording(tmp_path_factory.mktemp("data") / "pusht")


def train(dataset: Path, output: Path, *more: str) -> Path:
    """Two updates with LeRobot's script; returns the folder of the last checkpoint."""
    new = ["type=dp_plus_flow", "device=cpu", "horizon=8", "n_action_steps=4", "sampler.num_steps=2"]
    new += ["network.dim=16", "network.depth=1", "network.num_heads=2"]
    policy = [] if any(flag.startswith("--policy.path") for flag in more) else [f"--policy.{flag}" for flag in new]
    with pytest.MonkeyPatch.context() as patch:
        fixed = [f"--dataset.root={dataset}", f"--output_dir={output}", "--dataset.repo_id=made/up"]
        fixed += ["--policy.push_to_hub=true", f"--policy.repo_id={NAME}", "--steps=2", "--batch_size=4"]
        fixed += ["--num_workers=0", "--save_freq=2", "--seed=3"]
        patch.setattr(sys, "argv", ["lerobot-train", *fixed, *policy, *more])
        lerobot_train.main()
    return output / "checkpoints" / "last" / "pretrained_model"


def test_one_commit_with_everything_and_the_same_actions(online, dataset, tmp_path):
    saved = train(dataset, tmp_path / "run")
    assert len(online.titles(NAME)) == 1
    files = online.files(NAME)
    assert set(files) == EVERYTHING
    assert all(files[name] == (saved / name).read_bytes() for name in EVERYTHING if "processor" in name)
    theirs, ours = DpPlusFlowPolicy.from_pretrained(NAME), DpPlusFlowPolicy.from_pretrained(saved)
    assert all(
        torch.equal(value, ours.ema.module.state_dict()[key]) for key, value in theirs.model.state_dict().items()
    )
    pushed = tmp_path / "pushed"
    pushed.mkdir()
    for name, content in files.items():
        (pushed / name).write_bytes(content)
    assert torch.equal(actions_of(pushed), actions_of(saved))
    assert not any(str(place).encode() in content for content in files.values() for place in (tmp_path, dataset))
    assert json.loads(files["train_config.json"])["dataset"]["root"] == dataset.name  # not null: it is no Hub dataset
    assert (
        json.loads(files["publication.json"])["dataset_frames"]
        == LeRobotDatasetMetadata("made/up", dataset).total_frames
    )
    card = files["README.md"].decode()
    assert "Not evaluated" in card and f'checkpoint = "{NAME}"' in card
    # Publishing the training afterwards only adds the tag.
    assert cli(["publish", str(tmp_path / "run"), "--repo-id", NAME]) == 0
    assert len(online.titles(NAME)) == 1
    assert list(online.repo(NAME).tags.values()) == [online.repo(NAME).branches["main"]]


def test_a_pipeline_that_was_loaded_or_augments_makes_no_second_commit(online, dataset, tmp_path):
    first = train(dataset, tmp_path / "first", "--policy.augmentation.type=pusht_mirror")
    assert len(online.titles(NAME)) == 1
    assert any("augmentation" in name for name in online.files(NAME))
    saved = train(dataset, tmp_path / "second", f"--policy.path={first}")
    assert str(tmp_path) in (saved / "config.json").read_text()
    assert not any(str(tmp_path).encode() in content for content in online.files(NAME).values())
    assert len(online.titles(NAME)) == 2
    assert isinstance(DpPlusFlowPolicy.from_pretrained(NAME).config.augmentation, PushTMirror)


# Without a Hub


def assert_saved(output: Path, failure: pytest.ExceptionInfo) -> None:
    # The interpreter prints the code of a SystemExit that is text, without a trace, and exits with 1.
    message = failure.value.code
    saved = output / "checkpoints" / "last" / "pretrained_model"
    assert isinstance(message, str) and message.startswith(f"error: the training is complete and saved in {saved}, but")
    assert message.endswith(f"push it later with: dp-plus publish {output} --repo-id {NAME}")
    assert len(message.splitlines()) == 2
    assert load_file(saved / "model.safetensors")["ema.n_averaged"] == 2
    assert torch.isfinite(actions_of(saved)).all()


@pytest.fixture
def hurried(monkeypatch) -> None:
    quick = Patience(connect=1.0, silence=1.0, tries=2, pause=0.02, give_up=1.0)
    monkeypatch.setattr(publication, "PATIENCE", quick)


def test_the_hub_dies_and_the_command_the_message_names_publishes_later(online, dataset, tmp_path, hurried):
    online.fail("POST", "/preupload/", shutdown=True)
    with pytest.raises(SystemExit) as failure:
        train(dataset, tmp_path / "run")
    assert "cannot be reached" in failure.value.code
    assert_saved(tmp_path / "run", failure)
    assert online.titles(NAME) == []
    online.faults.clear()
    online.start()
    assert cli(["publish", str(tmp_path / "run"), "--repo-id", NAME]) == 0
    assert len(online.titles(NAME)) == 1 and set(online.files(NAME)) == EVERYTHING


@pytest.fixture(scope="module")
def finished(dataset, tmp_path_factory) -> Path:
    """Output of a training that was not pushed."""
    output = tmp_path_factory.mktemp("finished") / "run"
    train(dataset, output, "--policy.push_to_hub=false")
    return output


def end(output: Path, **changed) -> None:
    """What LeRobot's script does last."""
    saved = output / "checkpoints" / "last" / "pretrained_model"
    cfg = TrainPipelineConfig.from_pretrained(saved)
    assert Path(cfg.output_dir) == output and cfg.policy.repo_id == NAME
    meta = LeRobotDatasetMetadata("made/up", root=cfg.dataset.root)
    policy = DpPlusFlowPolicy.from_pretrained(saved)
    policy.push_model_to_hub(replace(cfg, **changed), state_dict=None, dataset_meta=meta)


def test_a_training_that_saves_no_checkpoints_is_saved_and_pushed_whole(online, finished, tmp_path):
    end(finished, save_checkpoint=False, output_dir=tmp_path / "bare")
    saved = finished / "checkpoints" / "last" / "pretrained_model"
    assert torch.equal(actions_of(tmp_path / "bare" / "pretrained_model"), actions_of(saved))
    files = online.files(NAME)
    assert set(files) == EVERYTHING and len(online.titles(NAME)) == 1
    assert all(files[name] == (saved / name).read_bytes() for name in EVERYTHING if "processor" in name)


def test_offline(hub, no_connections, finished):
    with pytest.raises(SystemExit) as failure:
        end(finished)
    assert "HF_HUB_OFFLINE is set, so nothing was sent" in failure.value.code
    assert_saved(finished, failure)


@pytest.mark.parametrize(
    "path, how, said",
    [
        ("/commit/", {"stall": 2.5}, "did not answer POST"),
        ("/repos/create", {"status": 403}, "the Hub says 403"),
        ("/repos/create", {"status": 503, "retry_after": 600}, "asks to come back in 600 s"),
    ],
)
def test_a_slow_an_unwilling_and_a_busy_hub(online, finished, hurried, path, how, said):
    online.fail("*", path, **how)
    with pytest.raises(SystemExit, match="the training is complete") as failure:
        end(finished)
    assert said in failure.value.code
    assert_saved(finished, failure)
    online.faults.clear()
    end(finished)
    assert len(online.titles(NAME)) == 1 and set(online.files(NAME)) == EVERYTHING
