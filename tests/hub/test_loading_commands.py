"""What a person reads who types a repository's name into LeRobot's commands and ours: one line."""

import sys

import pytest
from lerobot.scripts import lerobot_eval, lerobot_train
from loading_hub import KEPT, REPO, replace_on_hub

from lerobot_dp_plus import patches
from lerobot_dp_plus.cli import main

patches.install()
FAULTS = {
    "no such repository": "alice/polizy: no folder here, and no model on the Hub that this token may see (404)",
    "a field of a newer version": "The fields `churn` are not valid for DPMpp2M",
    "no Hub": "alice/policy is not in the cache, and the Hub at",
}


@pytest.fixture(params=FAULTS)
def spoilt(request, pushed):
    """The repository to ask for, and what the message must say."""
    if request.param == "a field of a newer version":
        config = (KEPT / "config.json").read_text().replace('"num_steps"', '"churn": 1, "num_steps"')
        replace_on_hub(pushed, {"config.json": config.encode()})
    elif request.param == "no Hub":
        pushed.stop()
    return ("alice/polizy" if request.param == "no such repository" else REPO), FAULTS[request.param]


def test_lerobot_eval(spoilt, capsys, monkeypatch):
    """LeRobot's script prints a refused config as one line, and lets what is not there end in a trace's last line."""
    repo, said = spoilt
    monkeypatch.setattr(sys, "argv", ["lerobot-eval", f"--policy.path={repo}", "--env.type=pusht"])
    with pytest.raises((SystemExit, FileNotFoundError)) as caught:
        lerobot_eval.main()
    if isinstance(caught.value, SystemExit):
        assert caught.value.code == 1 and "churn" in said
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    else:
        (line,) = str(caught.value).splitlines()
    assert said in line


def test_dp_plus_eval(spoilt, capsys):
    repo, said = spoilt
    assert main(["eval", f"policy={repo}", "env=pusht"]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and said in lines[0]


@pytest.mark.parametrize(
    ("stop", "said"),
    [(False, "no model on the Hub that this token may see (404)"), (True, "is not in the cache, and the Hub at")],
)
def test_dp_plus_train_resuming_from_a_repository(pushed, capsys, stop, said):
    if stop:
        pushed.stop()
    assert main(["train", "--config_path=alice/polizy", "--resume=true"]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and lines[0].startswith("error: alice/polizy") and said in lines[0]


def test_training_from_a_repository_that_is_not_there(pushed, capsys, tmp_path, monkeypatch):
    arguments = [
        "--policy.path=alice/polizy",
        "--dataset.repo_id=a/b",
        f"--dataset.root={tmp_path}",
        "--policy.push_to_hub=false",
    ]
    assert main(["train", *arguments]) == 1
    assert "error: alice/polizy: no folder here, and no model on the Hub" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["lerobot-train", *arguments])
    with pytest.raises(FileNotFoundError, match=r"alice/polizy: no folder here, and no model on the Hub"):
        lerobot_train.main()
