"""A resumed training goes on with what the checkpoint holds; flags that ask for something else are answered."""

import json
import sys
from pathlib import Path

import pytest
from lerobot.configs import parser
from lerobot.configs.train import TrainPipelineConfig

from lerobot_dp_plus import patches
from lerobot_dp_plus.policies import resuming

patches.install()


def parsed(*flags: str) -> TrainPipelineConfig:
    """The config that `lerobot-train` trains with, validated as there."""
    found: list[TrainPipelineConfig] = []

    def train(cfg: TrainPipelineConfig) -> None:
        cfg.validate()
        found.append(cfg)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["lerobot-train", *flags])
        parser.wrap()(train)()
    return found[0]


@pytest.fixture(scope="module", params=["dp_plus_flow", "diffusion"])
def run(request, tmp_path_factory) -> tuple[str, Path]:
    """A policy type and the checkpoint of a training of it, weights aside."""
    checkpoint = tmp_path_factory.mktemp(request.param) / "checkpoints" / "000002"
    (checkpoint / "pretrained_model").mkdir(parents=True)
    (checkpoint / "training_state").mkdir()
    flags = ["--dataset.repo_id=made/up", "--policy.push_to_hub=false", "--policy.device=cpu"]
    config = parsed(f"--policy.type={request.param}", *flags, f"--output_dir={checkpoint.parents[1] / 'new'}")
    config.output_dir = checkpoint.parents[1]
    config._save_pretrained(checkpoint / "pretrained_model")
    group = {"lr": 1e-6, "initial_lr": 0.0025, "betas": [0.9, 0.95], "eps": 1e-8, "weight_decay": 0.001}
    (checkpoint / "training_state" / "optimizer_param_groups.json").write_text(json.dumps([group]))
    return request.param, checkpoint / "pretrained_model"


@pytest.fixture
def said(monkeypatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(resuming.logger, "warning", lambda text, *values: lines.append(text % values))
    return lines


def resumed(folder: Path, *flags: str) -> TrainPipelineConfig:
    return parsed(f"--config_path={folder / 'train_config.json'}", "--resume=true", *flags)


FLAGS = [
    (
        "--policy.optimizer_lr=0.5",
        "--policy.optimizer_lr=0.5 is ignored",
        "0.0025 goes on",
        "--policy.optimizer_lr=0.5",
    ),
    ("--optimizer.lr=0.25", "--optimizer.lr=0.25 is ignored", "0.0025 goes on", "--policy.optimizer_lr=0.25"),
    (
        "--policy.optimizer_betas=[0.5,0.5]",
        "--policy.optimizer_betas=[0.5, 0.5] is",
        "[0.9, 0.95]",
        "--policy.optimizer_betas=",
    ),
    ("--optimizer.weight_decay=1", "--optimizer.weight_decay=1.0 is", "0.001", "--policy.optimizer_weight_decay=1.0"),
    ("--policy.optimizer_grad_clip_norm=7", "--policy.optimizer_grad_clip_norm=7.0", "1.0 goes on", "norm=7.0"),
    ("--policy.scheduler_warmup_steps=7", "--policy.scheduler_warmup_steps=7", "500 goes on", "warmup_steps=7"),
    ("--policy.optimizer_lr_backbone=0.1", "--policy.optimizer_lr_backbone=0.1", "null goes on", "backbone=0.1"),
    (
        "--dataset.repo_id=other/data",
        "--dataset.repo_id=other/data: the training goes on with other data",
        "made/up",
        "other/data",
    ),
    ("--dataset.episodes=[1,2]", "--dataset.episodes=[1, 2]: the training goes on", "episodes=null", "repo_id=made/up"),
]


@pytest.mark.parametrize(("flag", "what", "in_force", "way_out"), FLAGS, ids=[flag for flag, *_ in FLAGS])
def test_a_flag_that_is_ignored_is_answered_in_one_line(run, said, flag, what, in_force, way_out):
    kind, folder = run
    if kind == "diffusion":
        if ".policy." not in f".{flag[2:]}" or "optimizer_lr=" in flag:
            resumed(folder, flag)
            assert not said, "policies of others are LeRobot's affair"
        return
    resumed(folder, flag)
    assert len(said) == 1 and "\n" not in said[0]
    assert what in said[0] and in_force in said[0]
    assert f"--policy.path={folder}" in said[0] and way_out in said[0].split("start a new training")[1]


@pytest.mark.parametrize("flags", [[], ["--steps=9"], ["--optimizer.grad_clip_norm=2"], ["--optimizer.lr=0.0025"]])
def test_what_is_in_force_or_the_same_is_not_mentioned(run, said, flags):
    resumed(run[1], *flags)
    assert not said


def test_a_new_training_is_not_mentioned(run, said, tmp_path):
    parsed(f"--config_path={run[1] / 'train_config.json'}", "--optimizer.lr=0.1", f"--output_dir={tmp_path / 'new'}")
    assert not said


def test_units_of_foresight_stay_those_of_the_pipeline(run):
    if run[0] != "diffusion":
        assert resumed(run[1]).policy._resumes
