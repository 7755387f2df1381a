"""`dp-plus publish`: what people get is what was checked, whatever the Hub does meanwhile."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
import torch
from conftest import finished_training
from conftest import local_checkpoint as local
from hub_fixtures import api
from lerobot.policies.factory import make_policy_config
from rich.console import Console
from safetensors.torch import load_file, save_file

from lerobot_dp_plus.cli import main as cli
from lerobot_dp_plus.hub.contents import digest, files_in
from lerobot_dp_plus.hub.patience import HubConflict, HubRefused, HubUnreachable, Patience
from lerobot_dp_plus.hub.verify import HubDamaged
from lerobot_dp_plus.policies import publication
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy, DpPlusTransformerPolicy
from lerobot_dp_plus.publishing.checks import actions_of
from lerobot_dp_plus.publishing.publish import Publisher

NAME = "alice/pusht"
QUICK = Patience(connect=2.0, silence=10.0, tries=2, pause=0.02, give_up=2.0)


def publisher(**more) -> Publisher:
    quiet = Console(file=io.StringIO(), width=200)
    return Publisher(**{"repo_id": NAME, "token": "hf_alice", "patience": QUICK, "console": quiet, **more})


def publish(checkpoint: Path, folder: Path, **more):
    return publisher(**more).publish(checkpoint, folder)


def chunk(policy: DpPlusPolicy) -> torch.Tensor:
    observed = {"observation.state": torch.linspace(-1, 1, 4)[None]}
    policy.reset()
    return policy.predict_action_chunk(observed, noise=tiny.noise(policy.config, 1))


def test_round_trip(online, checkpoint, tmp_path):
    made = publish(checkpoint, tmp_path / "upload")
    assert len(online.titles(NAME)) == 1
    assert online.files(NAME) == {name: path.read_bytes() for name, path in files_in(tmp_path / "upload").items()}
    assert set(online.files(NAME)) >= {"README.md", "config.json", "model.safetensors", "policy_preprocessor.json"}
    assert online.repo(NAME).tags == {made.tag: made.uploaded.commit}
    theirs = DpPlusTransformerPolicy.from_pretrained(NAME, revision=made.tag)
    assert torch.equal(chunk(theirs), chunk(DpPlusPolicy.from_pretrained(local(checkpoint))))


@pytest.mark.parametrize(
    ("value", "public"),
    [
        ({"root": "/home/alice/data/pusht"}, {"root": "pusht"}),
        ({"policy": {"pretrained_path": "/home/alice/run"}}, {"policy": {"pretrained_path": None}}),
        ({"pretrained_path": "alice/pusht"}, {"pretrained_path": "alice/pusht"}),
        ({"files": ["~/a.json", "~al/b.json", "~ 5 min"]}, {"files": ["a.json", "b.json", "~ 5 min"]}),
        ({"files": ["C:\\data\\b.json", "C:/data/c.json", "c/d.json"]}, {"files": ["b.json", "c.json", "c/d.json"]}),
        ({"steps": 5, "seed": None, "url": "https://a.org/b"}, {"steps": 5, "seed": None, "url": "https://a.org/b"}),
    ],
)
def test_folders_of_the_machine_are_not_published(value, public):
    assert publication.without_folders(value) == public


def test_the_published_weights_are_the_average_alone(online, checkpoint, tmp_path):
    publish(checkpoint, tmp_path / "upload")
    trained, published = (
        load_file(local(checkpoint) / "model.safetensors"),
        load_file(tmp_path / "upload/model.safetensors"),
    )
    weights = {key for key in trained if key.startswith("model.")}
    assert set(published) == weights
    assert all(torch.equal(published[key], trained["ema.module." + key.removeprefix("model.")]) for key in weights)
    assert any(not torch.equal(published[key], trained[key]) for key in weights)


def test_fine_tuning_goes_on_from_the_average_and_averages_afresh(online, checkpoint, tmp_path):
    publish(checkpoint, tmp_path / "upload")
    tuned = DpPlusTransformerPolicy.from_pretrained(NAME)
    start = {key: value.clone() for key, value in tuned.model.state_dict().items()}
    assert all(torch.equal(value, start[key]) for key, value in tuned.ema.module.state_dict().items())
    tiny.step(tuned, torch.optim.Adam(tuned.get_optim_params(), lr=1e-2))
    assert tuned.ema.n_averaged == 1
    assert any(not torch.equal(value, start[key]) for key, value in tuned.model.state_dict().items())


@pytest.mark.parametrize("fields", [{"preset": "dp_plus_unet"}, {"preset": "dp_plus_dit"}, {"inputs": tiny.IMAGES}])
def test_other_policies_and_cameras(online, tmp_path, fields):
    if fields.get("inputs"):
        fields = {**fields, "normalization_mapping": {"VISUAL": "IDENTITY", "ACTION": "MIN_MAX"}}
    run = finished_training(tmp_path / "other", **fields)
    publish(run, tmp_path / "upload")
    assert torch.equal(actions_of(local(run)), actions_of(tmp_path / "upload"))


def test_a_second_publish_changes_nothing(online, checkpoint, tmp_path):
    first = publish(checkpoint, tmp_path / "first")
    before = len(online.log)
    second = publish(checkpoint, tmp_path / "second")
    assert (second.uploaded.commit, second.tag) == (first.uploaded.commit, first.tag) and not second.uploaded.changed
    assert digest(files_in(tmp_path / "first")) == digest(files_in(tmp_path / "second"))
    assert {request.method for request in online.log[before:]} == {"GET", "HEAD"}


def test_a_new_card_is_a_new_version_with_a_tag_of_its_own(online, checkpoint, tmp_path):
    first = publish(checkpoint, tmp_path / "first")
    second = publish(checkpoint, tmp_path / "second", facts={"selection_rule": "the last one."})
    assert first.tag.startswith("step5-") and second.tag.startswith("step5-") and first.tag != second.tag
    assert online.repo(NAME).tags == {first.tag: first.uploaded.commit, second.tag: second.uploaded.commit}
    assert "the last one." in online.files(NAME)["README.md"].decode()
    assert "the last one." not in online.files(NAME, first.tag)["README.md"].decode()


def test_a_tag_of_other_contents_is_refused_before_anything_is_sent(online, checkpoint, tmp_path):
    publish(checkpoint, tmp_path / "first", tag="v1")
    publish(checkpoint, tmp_path / "again", tag="v1")
    with pytest.raises(HubConflict, match=r"has a revision 'v1' already"):
        publish(checkpoint, tmp_path / "second", tag="v1", facts={"note": "new"})
    assert len(online.titles(NAME)) == 1 and list(online.repo(NAME).tags) == ["v1"]


# What is refused before anything is sent


def test_dry_run_opens_no_connection_and_makes_what_would_be_sent(hub, online, checkpoint, tmp_path, request, capsys):
    publish(checkpoint, tmp_path / "sent")
    before = len(hub.log)
    request.getfixturevalue("no_connections")
    arguments = ["publish", str(checkpoint), "--repo-id", NAME, "--dry-run", "--output", str(tmp_path / "dry")]
    assert cli(arguments) == 0
    assert len(hub.log) == before
    assert digest(files_in(tmp_path / "dry")) == digest(files_in(tmp_path / "sent"))
    shown = capsys.readouterr().out
    assert (tmp_path / "dry" / "README.md").read_text().strip() in shown and "nothing was sent" in shown
    assert cli(arguments) == 1
    assert "exists and is not empty" in capsys.readouterr().err


def edit(file: Path, **changes: torch.Tensor) -> None:
    content = load_file(file)
    assert set(changes) <= set(content)
    save_file(content | changes, file)


def test_a_checkpoint_that_gives_no_numbers(hub, no_connections, checkpoint, tmp_path):
    (file,) = local(checkpoint).glob("policy_postprocessor*.safetensors")
    edit(file, **{"action.max": torch.full((2,), torch.nan)})
    with pytest.raises(
        FloatingPointError, match="actions for a made-up observation are NaN or infinite; not published"
    ):
        publish(checkpoint, tmp_path / "upload")
    assert hub.log == [] and not (tmp_path / "upload").exists()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "policy_preprocessor.json"])
def test_a_checkpoint_with_a_truncated_file(hub, no_connections, checkpoint, tmp_path, name):
    file = local(checkpoint) / name
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"truncated|JSON|Expecting|Unterminated"):
        publish(checkpoint, tmp_path / "upload")
    assert hub.log == [] and not (tmp_path / "upload").exists()


def test_a_folder_without_a_policy(hub, no_connections, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no policy in .*expected config\.json in one of"):
        publish(tmp_path, tmp_path / "upload")


def test_a_policy_of_lerobots_own(hub, no_connections, tmp_path):
    made = make_policy_config(
        "act", device="cpu", push_to_hub=False, input_features=tiny.STATE, output_features=tiny.ACTION
    )
    made.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"a policy of type 'act'; published here are the dp_plus_\* types"):
        publish(tmp_path, tmp_path / "upload")


def test_names_that_are_no_repository(checkpoint, capsys):
    assert cli(["publish", str(checkpoint), "--repo-id", "pusht"]) == 1
    assert "repo_id = 'pusht': expected USER/NAME" in capsys.readouterr().err


# What goes wrong after the commit


def assert_complete_and_untagged(hub, folder: Path) -> None:
    assert hub.files(NAME) == {name: path.read_bytes() for name, path in files_in(folder).items()}
    assert hub.repo(NAME).tags == {}


@pytest.mark.parametrize(
    "method, path, how, failure",
    [
        ("GET", r"/resolve/.*/model\.safetensors", {"shutdown": True}, HubUnreachable),
        ("GET", r"/resolve/.*/model\.safetensors", {"flip": True}, HubDamaged),
        ("HEAD", r"/resolve/.*/model\.safetensors", {"extra_size": 5}, HubDamaged),
        ("POST", "/tag/", {"shutdown": True}, HubUnreachable),
        ("POST", "/tag/", {"status": 500}, HubUnreachable),
    ],
)
def test_after_the_commit(online, checkpoint, tmp_path, method, path, how, failure):
    online.fail(method, path, **how)
    with pytest.raises(
        failure, match=rf"main of {NAME} is commit \w{{8}}, complete but without the tag step5-\w{{8}}; the"
    ):
        publish(checkpoint, tmp_path / "upload")
    assert_complete_and_untagged(online, tmp_path / "upload")
    online.faults.clear()
    if not online.running:
        online.start()
    made = publish(checkpoint, tmp_path / "again")
    assert not made.uploaded.changed and online.repo(NAME).tags == {made.tag: made.uploaded.commit}
    assert len(online.titles(NAME)) == 1


def test_other_actions_than_the_checkpoints_are_noticed(online, checkpoint, tmp_path, monkeypatch):
    # As if the trained weights were published instead of their average.
    raw = lambda state: {key: value for key, value in state.items() if key.startswith("model.")}  # noqa: E731
    monkeypatch.setattr(publication, "published_weights", raw)
    with pytest.raises(HubDamaged, match=r"actions differ from the checkpoint's by up to \d"):
        publish(checkpoint, tmp_path / "upload")
    assert_complete_and_untagged(online, tmp_path / "upload")


def test_a_publish_that_dies_on_its_way_leaves_the_old_revision(online, checkpoint, tmp_path):
    old = publish(checkpoint, tmp_path / "old")
    online.fail("POST", "/commit/", shutdown=True)
    with pytest.raises(HubUnreachable):
        publish(checkpoint, tmp_path / "new", facts={"note": "new"})
    assert online.files(NAME) == {name: path.read_bytes() for name, path in files_in(tmp_path / "old").items()}
    assert list(online.repo(NAME).tags) == [old.tag]


# The command


def test_a_process_of_its_own_knows_the_policies(checkpoint, tmp_path):
    # Here other modules have registered the types long ago.
    command = [sys.executable, "-m", "lerobot_dp_plus.cli", "publish", str(checkpoint), "--repo-id", NAME, "--dry-run"]
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([*command, "--output=dry"], cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "model.safetensors" in files_in(tmp_path / "dry")


def test_the_command_publishes_privately_with_a_token(online, checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("HF_TOKEN")
    arguments = ["publish", str(local(checkpoint)), "--repo-id", NAME, "--private"]
    assert cli(arguments) == 1
    assert "the Hub says 401" in capsys.readouterr().err
    assert cli([*arguments, "--token=hf_alice", "--tag=v1", "--license=apache-2.0"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "step 5: loads strictly" in said and "same actions bit for bit" in said and "tagged v1" in said
    assert online.repo(NAME).private and "license: apache-2.0" in online.files(NAME)["README.md"].decode()
    with pytest.raises(FileNotFoundError):
        DpPlusTransformerPolicy.from_pretrained(NAME, token="hf_bob")
    assert DpPlusTransformerPolicy.from_pretrained(NAME, token="hf_alice", revision="v1").config.horizon == tiny.HORIZON
    with pytest.raises(HubRefused, match="exists and everybody can read it"):
        api(online).create_repo("alice/open")
        publish(checkpoint, tmp_path / "upload", repo_id="alice/open", private=True)


def test_offline(hub, no_connections, checkpoint, tmp_path, capsys):
    assert cli(["publish", str(checkpoint), "--repo-id", NAME, "--output", str(tmp_path / "kept")]) == 1
    assert "HF_HUB_OFFLINE is set, so nothing was sent" in capsys.readouterr().err
    assert (tmp_path / "kept" / "README.md").is_file()


def test_the_card_tells_the_repository_and_the_hash(online, checkpoint, tmp_path):
    publish(checkpoint, tmp_path / "upload")
    facts = json.loads(online.files(NAME)["publication.json"])
    assert facts["repo_id"] == NAME and facts["step"] == 5
    info = api(online).model_info(NAME, files_metadata=True)
    (weights,) = (file for file in info.siblings if file.rfilename == "model.safetensors")
    assert weights.lfs.sha256 == facts["weights_sha256"]
