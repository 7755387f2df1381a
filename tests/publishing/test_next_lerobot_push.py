"""Publishing as LeRobot's main branch does it, and as people do it from Python, against the Hub on loopback."""

import json
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from conftest import STATISTICS, finished_training, local_checkpoint
from huggingface_hub import HfApi
from lerobot.common import train_utils
from lerobot.policies import make_policy_config, make_pre_post_processors
from safetensors.torch import load_file, save_file

from lerobot_dp_plus import patches
from lerobot_dp_plus.cli import main as cli
from lerobot_dp_plus.hub.patience import Patience
from lerobot_dp_plus.policies import publication
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy
from lerobot_dp_plus.publishing.checks import actions_of

NAME = "alice/trained"
WEIGHTS_AND_CARD = {"README.md", "config.json", "model.safetensors", "publication.json"}
EVERYTHING = WEIGHTS_AND_CARD | {
    "policy_postprocessor.json",
    "policy_postprocessor_step_1_unnormalizer_processor.safetensors",
    "policy_preprocessor.json",
    "policy_preprocessor_step_4_normalizer_processor.safetensors",
    "train_config.json",
}


def stock_publication(cfg, model, preprocessor, postprocessor, dataset_meta, *, peft_model=None) -> str:
    """LeRobot's own end of a training: model, both pipelines, then card and training config, a commit each."""
    repo_id, private = model.config.repo_id, model.config.private
    if peft_model is None:
        model.push_to_hub(repo_id, private=private, ignore_patterns=["*.tmp", "*.log"])
    for pipeline in (preprocessor, postprocessor):
        if pipeline is not None:
            pipeline.push_to_hub(repo_id, private=private)
    HfApi().create_repo(repo_id, private=private, exist_ok=True)
    HfApi().upload_file(path_or_fileobj=b"# theirs", path_in_repo="README.md", repo_id=repo_id)
    return "theirs"


@pytest.fixture
def end_of_training(monkeypatch):
    """`train_utils.publish_trained_model` as a training script finds it after our plugin was imported."""
    monkeypatch.setattr(train_utils, "publish_trained_model", stock_publication, raising=False)
    patches.install()
    return lambda *given, **named: train_utils.publish_trained_model(*given, **named)


class Training:
    """What LeRobot's script holds at its end."""

    def __init__(self, output: Path, **changed) -> None:
        self.saved = local_checkpoint(output)
        self.policy = DpPlusPolicy.from_pretrained(self.saved)
        self.policy.config.repo_id, self.policy.config.private = NAME, None
        self.pipelines = make_pre_post_processors(self.policy.config, dataset_stats=STATISTICS)
        self.meta = SimpleNamespace(stats=STATISTICS)
        self.cfg = SimpleNamespace(output_dir=output, save_checkpoint=True, save_pretrained=self._save)
        vars(self.cfg).update(changed)

    @staticmethod
    def _save(folder: Path) -> None:
        (folder / "train_config.json").write_text(json.dumps({"dataset": {"repo_id": "made/up"}, "steps": 5}))


@pytest.fixture
def training(checkpoint) -> Training:
    return Training(checkpoint)


def downloaded(hub, name: str, folder: Path) -> Path:
    folder.mkdir()
    for file, content in hub.files(name).items():
        (folder / file).write_bytes(content)
    return folder


@pytest.mark.parametrize("by_name", [False, True])
def test_the_end_of_a_training_is_one_commit_with_our_card(
    online, end_of_training, training, tmp_path, caplog, by_name
):
    caplog.set_level(logging.INFO)
    pre, post = training.pipelines
    if by_name:
        named = {"preprocessor": pre, "postprocessor": post, "dataset_meta": training.meta, "peft_model": None}
        end_of_training(model=training.policy, cfg=training.cfg, **named)
    else:
        end_of_training(training.cfg, training.policy, pre, post, training.meta, peft_model=None)
    assert len(online.titles(NAME)) == 1
    assert set(online.files(NAME)) == EVERYTHING
    assert f'checkpoint = "{NAME}"' in online.files(NAME)["README.md"].decode()
    assert torch.equal(actions_of(downloaded(online, NAME, tmp_path / "got")), actions_of(training.saved))
    # LeRobot's remote jobs wait for this line.
    assert any(record.getMessage().startswith("Model pushed to http") for record in caplog.records)


def test_without_a_hub_the_training_is_not_lost(online, end_of_training, training, monkeypatch):
    quick = Patience(connect=1.0, silence=1.0, tries=2, pause=0.02, give_up=1.0)
    monkeypatch.setattr(publication, "PATIENCE", quick)
    online.fail("*", "/repos/create", status=403)
    with pytest.raises(SystemExit, match="the training is complete and saved") as failure:
        end_of_training(training.cfg, training.policy, *training.pipelines, training.meta)
    later = f"push it later with: dp-plus publish {training.cfg.output_dir} --repo-id {NAME}"
    assert str(failure.value.code).endswith(later)
    online.faults.clear()
    assert cli(later.split(": dp-plus ")[1].split()) == 0
    assert len(online.titles(NAME)) == 1 and set(online.files(NAME)) == EVERYTHING


@pytest.mark.parametrize("kept", ["no checkpoint", "shards"])
def test_a_training_that_kept_no_whole_weights_is_saved_first(online, end_of_training, training, kept, tmp_path):
    expected = actions_of(training.saved)
    if kept == "shards":
        (training.saved / "model.safetensors").unlink()
    else:
        training.cfg.save_checkpoint = False
    end_of_training(training.cfg, training.policy, *training.pipelines, training.meta)
    assert len(online.titles(NAME)) == 1 and set(online.files(NAME)) == EVERYTHING
    assert torch.equal(actions_of(downloaded(online, NAME, tmp_path / "got")), expected)
    assert torch.equal(actions_of(training.cfg.output_dir / "pretrained_model"), expected)


def test_adapters_and_policies_of_others_are_published_by_lerobot(online, end_of_training, training):
    pre = training.pipelines[0]
    assert end_of_training(training.cfg, training.policy, None, None, None, peft_model=object()) == "theirs"

    class Other:
        config = make_policy_config("act", device="cpu", repo_id="alice/act", push_to_hub=False)
        pushed = 0

        def push_to_hub(self, *given, **named):
            Other.pushed += 1

    assert end_of_training(training.cfg, Other(), pre, None, None) == "theirs"
    assert Other.pushed == 1


# LeRobot's own average


@pytest.fixture
def twice_averaged(tmp_path) -> Training:
    """A training with --ema.enable: weights as trained beside their average, which the policy holds for a second push."""
    from lerobot_dp_plus.ema import EmaConfig

    output = finished_training(tmp_path / "run", "dp_plus_flow", ema=EmaConfig(enabled=False))
    training = Training(output, ema=SimpleNamespace(enable=True))
    with torch.no_grad():
        for weight in training.policy.parameters():
            weight.mul_(1.5)
    return training


def keep_average(training: Training) -> Path:
    folder = training.saved.with_name("pretrained_model_ema")
    training.policy.save_pretrained(folder)
    for pipeline in training.pipelines:
        pipeline.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("checkpoints", [True, False])
def test_what_is_pushed_is_what_the_policy_holds(online, twice_averaged, tmp_path, checkpoints):
    training, as_trained = twice_averaged, load_file(twice_averaged.saved / "model.safetensors")
    training.cfg.save_checkpoint = checkpoints
    averaged = {key: value.clone() for key, value in training.policy.state_dict().items()}
    if checkpoints:
        keep_average(training)
    for name, weights in ((NAME, as_trained), (f"{NAME}-ema", averaged)):
        training.policy.load_state_dict({**averaged, **weights})
        training.policy.config.repo_id = name
        training.policy.push_model_to_hub(training.cfg, dataset_meta=training.meta)
        (tmp_path / "file").write_bytes(online.files(name)["model.safetensors"])
        pushed = load_file(tmp_path / "file")
        assert pushed and all(torch.equal(value, weights[key]) for key, value in pushed.items()), name
    if not checkpoints:  # the second did not write over the first
        kept = load_file(training.cfg.output_dir / "pretrained_model" / "model.safetensors")
        assert all(torch.equal(value, as_trained[key]) for key, value in kept.items())


def test_the_average_is_pushed_later_from_its_own_folder(hub, no_connections, twice_averaged):
    folder = keep_average(twice_averaged)
    with pytest.raises(SystemExit) as failure:
        twice_averaged.policy.push_model_to_hub(twice_averaged.cfg, dataset_meta=twice_averaged.meta)
    assert str(failure.value.code).endswith(f"dp-plus publish {folder} --repo-id {NAME}")


# From Python


def test_a_policy_with_its_pipelines_is_one_commit(online, training, tmp_path, caplog):
    pre, post = training.pipelines
    made = training.policy.push_to_hub(NAME, preprocessor=pre, postprocessor=post, commit_message="Mine")
    assert online.titles(NAME) == ["Mine"] and str(made)
    assert set(online.files(NAME)) == EVERYTHING - {"train_config.json"}
    assert torch.equal(actions_of(downloaded(online, NAME, tmp_path / "got")), actions_of(training.saved))
    weights = load_file(tmp_path / "got" / "model.safetensors")
    assert not any(key.startswith("ema.") for key in weights)
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


def test_a_policy_alone_says_what_is_missing_until_it_is_there(online, training, tmp_path, caplog):
    training.policy.push_to_hub(NAME, private=True)
    assert set(online.files(NAME)) == WEIGHTS_AND_CARD and len(online.titles(NAME)) == 1
    assert f"preprocessor.push_to_hub('{NAME}')" in caplog.text and "policy_preprocessor.json" in caplog.text
    for pipeline in training.pipelines:
        pipeline.push_to_hub(NAME)
    caplog.clear()
    training.policy.push_to_hub(NAME, card_kwargs={"note": "Pushed from Python."})
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert "Pushed from Python." in online.files(NAME)["README.md"].decode()
    assert torch.equal(actions_of(downloaded(online, NAME, tmp_path / "got")), actions_of(training.saved))


def test_save_pretrained_pushes_too(online, training, tmp_path):
    training.policy.save_pretrained(tmp_path / "kept", repo_id=NAME, push_to_hub=True)
    assert set(online.files(NAME)) == WEIGHTS_AND_CARD
    assert "ema.n_averaged" in load_file(tmp_path / "kept" / "model.safetensors")  # to be trained on


def test_half_of_the_pipelines_and_a_card_with_unknown_fields_are_refused(hub, no_connections, training):
    with pytest.raises(ValueError, match="give both"):
        training.policy.push_to_hub(NAME, preprocessor=training.pipelines[0])


def test_a_field_that_the_card_lacks_is_named_before_anything_is_sent(online, training):
    with pytest.raises(ValueError, match="headline: no such field"):
        training.policy.push_to_hub(NAME, card_kwargs={"headline": "!"})
    assert NAME not in str(online.faults)


def test_weights_that_are_not_finite_are_not_pushed(online, training):
    with torch.no_grad():
        next(training.policy.model.parameters()).fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="not finite"):
        training.policy.push_to_hub(NAME)


def test_the_file_that_is_compared_may_be_of_another_training(tmp_path, checkpoint):
    training = Training(checkpoint)
    file = training.saved / "model.safetensors"
    assert publication._holds(training.saved, training.policy.state_dict())
    stored = load_file(file)
    key = next(key for key in stored if key.startswith("ema.module.") and stored[key].is_floating_point())
    save_file({**stored, key: stored[key] + 1}, file)
    assert not publication._holds(training.saved, training.policy.state_dict())
