"""A field that was renamed goes on working by its former name: in files, as a flag, and said once.

The tests give former names of their own to fields that there are: `guide` for `guidance`, `pace` for `stride`.
"""

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import draccus
import pytest
from lerobot.configs import PreTrainedConfig, parser
from lerobot.configs.eval import EvalPipelineConfig
from lerobot.configs.train import TrainPipelineConfig
from lerobot.policies import make_policy_config
from lerobot.policies.act.configuration_act import ACTConfig

from lerobot_dp_plus import load_policy
from lerobot_dp_plus.cli import main
from lerobot_dp_plus.guidance import NoGuidance, Smoothness
from lerobot_dp_plus.policies import formats, former_names
from lerobot_dp_plus.policies.publication import stage_checkpoint

KEPT = Path(__file__).parents[1] / "checkpoints" / f"format_{formats.FORMAT_VERSION}" / "dp_plus_flow"
TOLD = "policy.guide is called policy.guidance now; the old name still works"
BOTH = r"policy\.guide and policy\.guidance: .*gives both.*Give policy\.guidance alone"
TRAINING = {"dataset": {"repo_id": "x/y"}}


@pytest.fixture(autouse=True)
def renamed(monkeypatch):
    monkeypatch.setattr(former_names, "FORMER_NAMES", {"guide": "guidance", "pace": "stride"})
    monkeypatch.setattr(former_names, "_told", set())
    for kept in ("_config_path_args", "_config_yaml_overrides"):  # LeRobot keeps what a file said for the process
        monkeypatch.setattr(parser, kept, {})


@pytest.fixture(scope="module")
def new(tmp_path_factory) -> Path:
    """A checkpoint under today's names, guided."""
    folder = Path(shutil.copytree(KEPT, tmp_path_factory.mktemp("new") / "checkpoint"))
    saved = json.loads((folder / "config.json").read_text())
    saved["guidance"] = {"type": "smoothness", "strength": 0.0625}
    (folder / "config.json").write_text(json.dumps(saved))
    return folder


@pytest.fixture
def old(new, tmp_path) -> Path:
    """The same as it was written before the renaming, and the config of its training beside it."""
    folder = Path(shutil.copytree(new, tmp_path / "old"))
    saved = json.loads((folder / "config.json").read_text())
    saved = {{"guidance": "guide", "stride": "pace"}.get(key, key): value for key, value in saved.items()}
    (folder / "config.json").write_text(json.dumps(saved))
    (folder / "train_config.json").write_text(json.dumps(TRAINING | {"policy": saved}))
    return folder


def script(monkeypatch, config: type, *flags: str):
    """The config that LeRobot's own script gets from such a command line."""
    parsed = []

    def run(cfg) -> None:
        parsed.append(cfg)

    run.__annotations__["cfg"] = config
    monkeypatch.setattr(sys, "argv", ["lerobot", *flags])
    parser.wrap()(run)()
    return parsed[0]


def train(monkeypatch, *flags: str):
    return script(monkeypatch, TrainPipelineConfig, *flags).policy


NEW_POLICY = ("--dataset.repo_id=x/y", "--policy.type=dp_plus_flow", "--policy.device=cpu")

# Files


def test_a_checkpoints_config(old, new):
    assert PreTrainedConfig.from_pretrained(old) == PreTrainedConfig.from_pretrained(new)
    assert PreTrainedConfig.from_pretrained(old).guidance == Smoothness(0.0625)


def test_a_checkpoint_acts_under_either_name(old, new):
    ours, theirs = (load_policy(folder).policy for folder in (old, new))
    assert ours.config == theirs.config


@pytest.mark.parametrize("way", ["config_path", "resumed"])
def test_a_trainings_config(old, monkeypatch, way):
    if way == "resumed":
        policy = TrainPipelineConfig.from_pretrained(old).policy
    else:
        policy = train(monkeypatch, f"--config_path={old / 'train_config.json'}")
    assert policy.guidance == Smoothness(0.0625) and policy.stride == 1


def test_a_file_that_names_a_checkpoint_and_a_field_of_it(new, tmp_path, monkeypatch):
    """LeRobot takes such a policy apart into flags."""
    file = tmp_path / "train.json"
    file.write_text(json.dumps(TRAINING | {"policy": {"path": str(new), "guide": {"strength": 0.03125}}}))
    cfg = script(monkeypatch, TrainPipelineConfig, f"--config_path={file}")
    cfg.validate()
    assert cfg.policy.guidance == Smoothness(0.03125)


def test_a_file_of_the_first_format():
    assert formats.complete("dp_plus_flow", {"guide": {"type": "none"}, "format_version": 1})["guidance"] == {
        "type": "none"
    }
    assert "guidance" not in formats.left_open("dp_plus_flow", {"guide": {"type": "none"}})


def test_what_is_published_has_todays_names(old, tmp_path):
    (tmp_path / "staged").mkdir()
    stage_checkpoint(old, tmp_path / "staged", with_pipelines=False)
    config, training = (
        json.loads((tmp_path / "staged" / f"{name}.json").read_text()) for name in ("config", "train_config")
    )
    for fields in (config, training["policy"]):
        assert "guide" not in fields and fields["guidance"] == {"type": "smoothness", "strength": 0.0625}


# Flags


@pytest.mark.parametrize(
    "flags",
    [
        ["--policy.guide.type=smoothness", "--policy.guide.strength=0.03125"],
        ["--policy.guide.type", "smoothness", "--policy.guide.strength", "0.03125"],
        ["--policy.guidance.type=smoothness", "--policy.guidance.strength=0.03125"],
    ],
)
def test_flags_of_a_new_policy(flags, monkeypatch):
    assert train(monkeypatch, *NEW_POLICY, *flags).guidance == Smoothness(0.03125)


def test_a_field_that_is_a_number(monkeypatch):
    assert train(monkeypatch, *NEW_POLICY, "--policy.pace=2").stride == 2


@pytest.mark.parametrize("file", ["old", "new"])
@pytest.mark.parametrize("name", ["guide", "guidance"])
def test_flags_over_a_file_whatever_each_calls_it(old, new, monkeypatch, file, name):
    folder = {"old": old, "new": new}[file]
    (folder / "train.json").write_text(
        json.dumps(TRAINING | {"policy": json.loads((folder / "config.json").read_text())})
    )
    flag = f"--policy.{name}.type=none"
    assert train(monkeypatch, f"--config_path={folder / 'train.json'}", flag).guidance == NoGuidance()
    (folder / "train.json").unlink()


@pytest.mark.parametrize("name", ["guide", "guidance"])
def test_overrides_of_a_checkpoint(old, new, name):
    for folder in (old, new):
        made = PreTrainedConfig.from_pretrained(folder, cli_overrides=[f"--{name}.strength=0.03125"])
        assert made.guidance == Smoothness(0.03125)
        assert load_policy(folder, **{name: {"strength": 0.1}}).policy.config.guidance == Smoothness(0.1)


def test_lerobots_evaluation_and_training_of_a_checkpoint(old, monkeypatch, tmp_path):
    flags = [f"--policy.path={old}", "--policy.guide.strength=0.03125", f"--output_dir={tmp_path / 'out'}"]
    assert script(monkeypatch, EvalPipelineConfig, *flags, "--env.type=pusht").policy.guidance == Smoothness(0.03125)
    training = script(monkeypatch, TrainPipelineConfig, *flags, "--dataset.repo_id=x/y")
    training.validate()
    assert training.policy.guidance == Smoothness(0.03125)


def test_our_commands(old, capsys):
    """They end where the dataset is missing or a member is; by then the name is known."""
    assert main(["eval", f"policy={old}", "env=pusht", "policy.guide.strength=many", "eval.n_episodes=1"]) != 0
    assert 'guidance.strength = "many": must be a number' in capsys.readouterr().err
    given = [f"policy={old}", "policy.guide.type=telepathy", f"dataset={old}"]
    assert main(["train", *given]) != 0


# Said, and refused


def test_it_is_said_once(old, caplog, monkeypatch):
    with caplog.at_level(logging.WARNING, former_names.__name__):
        for _ in range(2):
            PreTrainedConfig.from_pretrained(old, cli_overrides=["--guide.strength=0.03125"])
            train(monkeypatch, *NEW_POLICY, "--policy.guide.type=none")
    assert [record.getMessage() for record in caplog.records if record.name == former_names.__name__] == [
        TOLD,
        "policy.pace is called policy.stride now; the old name still works",
    ]


def test_todays_names_say_nothing(new, caplog, monkeypatch):
    with caplog.at_level(logging.DEBUG, former_names.__name__):
        PreTrainedConfig.from_pretrained(new, cli_overrides=["--guidance.strength=0.03125"])
        train(monkeypatch, *NEW_POLICY, "--policy.guidance.type=none")
    assert not [record for record in caplog.records if record.name == former_names.__name__]


def test_both_names_on_one_command_line_are_refused(old, monkeypatch, capsys):
    both = ["--guide.type=smoothness", "--guidance.strength=0.03125"]
    with pytest.raises(SystemExit):
        train(monkeypatch, *NEW_POLICY, *(flag.replace("--", "--policy.") for flag in both))
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: policy.guide and policy.guidance: the command line gives both")
    with pytest.raises(draccus.utils.DecodingError, match=BOTH):
        PreTrainedConfig.from_pretrained(old, cli_overrides=both)
    with pytest.raises(ValueError, match=BOTH):
        load_policy(old, guide={"type": "none"}, guidance={"type": "none"})


def test_both_names_in_one_file_are_refused(old, monkeypatch, capsys):
    for name in ("config.json", "train_config.json"):
        saved = json.loads((old / name).read_text())
        saved.get("policy", saved)["guidance"] = {"type": "none"}
        (old / name).write_text(json.dumps(saved))
    with pytest.raises(ValueError, match=BOTH.replace("gives", "the config file gives")):
        PreTrainedConfig.from_pretrained(old)
    with pytest.raises(SystemExit):
        train(monkeypatch, f"--config_path={old / 'train_config.json'}")
    assert "error: policy.guide and policy.guidance: the config file gives both" in capsys.readouterr().err


# What is no field of ours


def test_another_policys_flags_and_files_are_not_read(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(former_names, "FORMER_NAMES", {"guide": "guidance", "chunk": "chunk_size"})
    act = ("--dataset.repo_id=x/y", "--policy.type=act", "--policy.device=cpu")
    with pytest.raises(SystemExit) as left:
        train(monkeypatch, *act, "--policy.chunk=50")
    assert left.value.code == 2  # an unknown flag
    make_policy_config("act", device="cpu", push_to_hub=False)._save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(saved | {"chunk": 3}))
    for read in (PreTrainedConfig.from_pretrained, ACTConfig.from_pretrained):
        with pytest.raises(draccus.utils.DecodingError, match="The fields `chunk` are not valid for ACTConfig"):
            read(tmp_path)
    assert formats.complete("act", {"guide": 1}) == {"guide": 1}
    assert "is called" not in caplog.text


def test_flags_that_only_begin_alike_and_values_are_left():
    kept = [
        "--policy.guided=1",
        "--guide=1",
        "--policy.type",
        "guide",
        "--env.guide.type=none",
        "guide",
        "--policy.guide-x=1",
    ]
    assert former_names.in_flags(kept, "policy.") == kept
    assert former_names.in_flags(["--guide", "--guide=file", "--guide.a.b=1"]) == [
        *("--guidance", "--guidance=file", "--guidance.a.b=1")
    ]


def test_every_entry_of_the_table_leads_from_a_name_that_no_field_has_to_a_field():
    """In a fresh interpreter, where the table is as it is."""
    code = (
        "from lerobot_dp_plus.policies.former_names import FORMER_NAMES; from lerobot_dp_plus.policies.configuration_dp_plus "
        "import DpPlusConfig; fields = DpPlusConfig.__dataclass_fields__; "
        "assert all(name in fields and former not in fields for former, name in FORMER_NAMES.items())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
