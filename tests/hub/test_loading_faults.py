"""Why a Hub gives no checkpoint: one message that names it, quickly; silence, refusals, and versions."""

import logging

import httpx
import pytest
from hub_fixtures import api
from huggingface_hub import constants
from huggingface_hub.errors import DisabledRepoError, GatedRepoError
from huggingface_hub.utils import hf_raise_for_status
from lerobot.common import train_utils
from lerobot.configs import PreTrainedConfig
from lerobot.configs.train import TrainPipelineConfig
from lerobot.policies import make_pre_post_processors
from loading_hub import DOORS, KEPT, REPO, RESOLVE_WEIGHTS, WEIGHTS, Quick, cached, replace_on_hub, same_weights
from safetensors.torch import load_file, save_file

from lerobot_dp_plus import patches
from lerobot_dp_plus.policies.loading_errors import (
    Asked,
    CheckpointUnavailable,
    DownloadFailed,
    HubUnreachable,
    NoAccess,
    worded,
)
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy
from lerobot_dp_plus.policies.versions import DISTRIBUTION

patches.install()  # the training's doors as well, now that they are there


# No network


@pytest.mark.parametrize("load", DOORS.values(), ids=DOORS)
def test_no_hub_and_no_cache_fails_at_once(pushed, load):
    pushed.stop()
    with (
        Quick(),
        pytest.raises(HubUnreachable, match=rf"{REPO} is not in the cache, and .*{pushed.url} cannot be reached"),
    ):
        load(REPO)


def test_no_hub_and_no_cache_for_the_processors_and_for_resuming(pushed, tmp_path):
    config = PreTrainedConfig.from_pretrained(REPO)
    pushed.stop()
    with Quick(), pytest.raises(HubUnreachable, match="cannot be reached"):
        make_pre_post_processors(config, REPO)
    with Quick(), pytest.raises(HubUnreachable, match="cannot be reached"):
        TrainPipelineConfig.from_pretrained(REPO)
    with Quick(), pytest.raises(HubUnreachable, match="cannot be reached"):
        train_utils.resolve_resume_checkpoint(REPO, tmp_path / "run")


def test_no_hub_but_a_cache_loads_and_says_so(pushed, caplog):
    DpPlusPolicy.from_pretrained(REPO)
    pushed.stop()
    with Quick(), caplog.at_level(logging.WARNING, "lerobot_dp_plus"):
        assert same_weights(DpPlusPolicy.from_pretrained(REPO))
    assert "cannot be reached" in caplog.text and "Using commit" in caplog.text
    with pytest.raises(HubUnreachable, match=r"v1.*is not in the cache"):
        DpPlusPolicy.from_pretrained(REPO, revision="v1")
    with pytest.raises(HubUnreachable, match="cannot be reached"):
        DpPlusPolicy.from_pretrained(REPO, force_download=True)


def test_a_cache_with_the_config_only(pushed):
    PreTrainedConfig.from_pretrained(REPO)
    pushed.stop()
    with Quick(), pytest.raises(HubUnreachable, match=r"is not in the cache.*cannot be reached"):
        DpPlusPolicy.from_pretrained(REPO)


def test_the_hub_vanishes_between_config_and_weights(pushed):
    pushed.fail("HEAD", RESOLVE_WEIGHTS, shutdown=True)
    with pytest.raises(DownloadFailed, match=r"model\.safetensors of .*disconnected without.*Nothing half-loaded"):
        DpPlusPolicy.from_pretrained(REPO)
    pushed.faults.clear()
    pushed.start()
    assert same_weights(DpPlusPolicy.from_pretrained(REPO))


def test_a_hub_that_accepts_and_says_nothing(pushed, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 1)
    pushed.fail("HEAD", "/resolve/", stall=3)
    with Quick(), pytest.raises(HubUnreachable, match="does not answer in time"):
        DpPlusPolicy.from_pretrained(REPO)


@pytest.mark.parametrize("switch", ["argument", "environment"])
def test_told_not_to_ask(pushed, monkeypatch, switch):
    asked = len(pushed.log)
    if switch == "environment":
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    reason = {"argument": "local_files_only=True", "environment": "HF_HUB_OFFLINE=1"}[switch]
    with pytest.raises(HubUnreachable, match=rf"neither a folder here nor whole in the cache .*{reason} forbids"):
        DpPlusPolicy.from_pretrained(REPO, local_files_only=switch == "argument")
    assert len(pushed.log) == asked
    with pytest.raises(ValueError, match="force_download=True and local_files_only=True contradict"):
        DpPlusPolicy.from_pretrained(REPO, local_files_only=True, force_download=True)


# Who may read what


def test_a_private_repository_is_not_there_for_others(pushed, monkeypatch):
    api(pushed).create_repo("alice/secret", private=True)
    api(pushed).upload_folder(repo_id="alice/secret", folder_path=KEPT)
    with pytest.raises(
        CheckpointUnavailable, match=r"alice/secret: .*no model on the Hub that this token may see \(404\)"
    ):
        DpPlusPolicy.from_pretrained("alice/secret", token="hf_bob")
    with pytest.raises(NoAccess, match=r"the Hub refuses the token \(401, Invalid credentials"):
        DpPlusPolicy.from_pretrained("alice/secret", token="hf_mistyped")
    with pytest.raises(NoAccess, match=r"no public model on the Hub \(401\)\. If it is private, log in"):
        DpPlusPolicy.from_pretrained("alice/secret", token=False)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(NoAccess, match=r"no public model on the Hub \(401\)") as caught:
        PreTrainedConfig.from_pretrained("alice/secret")
    assert isinstance(caught.value, PermissionError) and isinstance(caught.value, FileNotFoundError)


def test_a_token_without_the_right_to_read(pushed):
    pushed.fail("*", "/resolve/", status=403)
    with pytest.raises(NoAccess, match=r"this token may not read it \(403"):
        DpPlusPolicy.from_pretrained(REPO)


@pytest.mark.parametrize(
    ("headers", "kind", "reason"),
    [
        ({"X-Error-Code": "GatedRepo"}, GatedRepoError, rf"gated \(403\): ask for access at .*/{REPO}"),
        (
            {"X-Error-Message": "Access to this resource is disabled."},
            DisabledRepoError,
            r"disabled on the Hub \(403\)",
        ),
    ],
)
def test_gated_and_disabled(headers, kind, reason):
    """Answers the loopback Hub does not give, through the client's own reading of them."""
    response = httpx.Response(403, headers=headers, request=httpx.Request("HEAD", f"http://hub/{REPO}/resolve/main/a"))
    with pytest.raises(kind) as caught:
        hf_raise_for_status(response)
    with pytest.raises(NoAccess, match=reason):
        raise worded(caught.value, Asked(REPO))


def test_what_does_not_exist_is_told_apart(pushed):
    with pytest.raises(CheckpointUnavailable, match=r"alice/polizy: no folder here, and no model on the Hub"):
        DpPlusPolicy.from_pretrained("alice/polizy")
    with pytest.raises(CheckpointUnavailable, match=rf"{REPO} on the Hub has no revision 'v9'; it has main, v1"):
        DpPlusPolicy.from_pretrained(REPO, revision="v9")
    with pytest.raises(CheckpointUnavailable, match="'outputs/train/last/model' is no folder here and cannot be a Hub"):
        DpPlusPolicy.from_pretrained("outputs/train/last/model")
    replace_on_hub(pushed, {}, delete=("config.json",))
    with pytest.raises(CheckpointUnavailable, match=rf"no config\.json in {REPO}; it has \.gitattributes, expected"):
        PreTrainedConfig.from_pretrained(REPO)


def test_a_repository_of_pickles_is_refused_by_name(pushed):
    replace_on_hub(pushed, {"pytorch_model.bin": b"cos\nsystem\n(S'exit 1'\ntR."}, delete=(WEIGHTS,))
    with pytest.raises(
        CheckpointUnavailable, match=r"no model\.safetensors in .*only pickled weights \['pytorch_model\.bin'\]"
    ):
        DpPlusPolicy.from_pretrained(REPO)
    assert pushed.count("GET", r"pytorch_model\.bin") == pushed.count("HEAD", r"pytorch_model\.bin") == 0
    assert "pytorch_model.bin" not in cached()


# Versions


def test_a_newer_checkpoint_is_refused_before_its_weights_are_fetched(pushed, tmp_path):
    save_file(load_file(KEPT / WEIGHTS), tmp_path / "new", {DISTRIBUTION: "99.1"})
    config = (KEPT / "config.json").read_text().replace('"num_steps"', '"churn": 1, "num_steps"')
    replace_on_hub(pushed, {WEIGHTS: (tmp_path / "new").read_bytes(), "config.json": config.encode()})
    said = rf"config\.json of {REPO} at commit [0-9a-f]{{8}}: .*`churn`.*{DISTRIBUTION} 99\.1 wrote it"
    for load in DOORS.values():
        with pytest.raises(ValueError, match=said):
            load(REPO)
    assert cached() == ["config.json"]
    assert pushed.count("GET", RESOLVE_WEIGHTS, 206) == 2 and pushed.count("GET", RESOLVE_WEIGHTS, 200) == 0


def test_the_message_does_without_the_version_if_it_cannot_be_had(pushed):
    config = (KEPT / "config.json").read_text().replace('"num_steps"', '"churn": 1, "num_steps"')
    replace_on_hub(pushed, {"config.json": config.encode()}, delete=(WEIGHTS,))
    with pytest.raises(ValueError, match=r"`churn` are not valid for DPMpp2M$"):
        DpPlusPolicy.from_pretrained(REPO)
