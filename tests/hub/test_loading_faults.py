"""What can go wrong between a Hub and a policy: one message that names it, quickly, and nothing half-written in use."""

import logging
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
import torch
from hub_fixtures import api, environment
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, constants
from huggingface_hub.errors import DisabledRepoError, GatedRepoError
from huggingface_hub.utils import hf_raise_for_status
from lerobot.configs import PreTrainedConfig
from lerobot.configs.train import TrainPipelineConfig
from lerobot.policies import make_pre_post_processors
from safetensors.torch import load_file, save_file

from lerobot_dp_plus.policies import fetching, host_loading
from lerobot_dp_plus.policies.configuration_dp_plus import FORMAT_VERSION
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

KEPT = Path(__file__).parents[1] / "checkpoints" / f"format_{FORMAT_VERSION}" / "dp_plus_flow"
REPO = "alice/policy"
WEIGHTS = "model.safetensors"
SIZE = (KEPT / WEIGHTS).stat().st_size
RESOLVE_WEIGHTS = r"/resolve/.*/model\.safetensors"

host_loading.install(FORMAT_VERSION)


@pytest.fixture
def pushed(online, monkeypatch):
    """A Hub with a checkpoint and its tag v1; no pause before another attempt."""
    client = api(online)
    client.create_repo(REPO)
    client.upload_folder(repo_id=REPO, folder_path=KEPT)
    client.create_tag(REPO, tag="v1")
    monkeypatch.setattr(fetching, "PAUSES", (0.01, 0.01, 0.01))
    return online


@pytest.fixture
def impatient(monkeypatch):
    """The client's own second between two attempts at a download, left out."""
    monkeypatch.setattr("huggingface_hub.file_download.time", SimpleNamespace(sleep=lambda seconds: None))


def replace_on_hub(hub, add: dict[str, bytes], delete: tuple[str, ...] = ()) -> None:
    operations = [CommitOperationAdd(path, content) for path, content in add.items()]
    operations += [CommitOperationDelete(path) for path in delete]
    api(hub).create_commit(REPO, operations, commit_message="changed")


def same_weights(policy) -> bool:
    return all(torch.equal(value, policy.state_dict()[key]) for key, value in load_file(KEPT / WEIGHTS).items())


def cached() -> list[str]:
    """What a loader would find in the cache: names in snapshots, and half files anywhere."""
    cache = Path(constants.HF_HUB_CACHE)
    return sorted(
        path.name
        for path in cache.rglob("*")
        if path.suffix in (".incomplete", ".tmp") or "snapshots" in path.parts[:-2]
    )


class Quick:
    """Fails if the block takes longer than a person would wait."""

    def __enter__(self):
        self.start = time.monotonic()

    def __exit__(self, *_):
        assert time.monotonic() - self.start < 12  # left alone, the client tries for 23 s


DOORS = {"policy": DpPlusPolicy.from_pretrained, "config": PreTrainedConfig.from_pretrained}


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
    from lerobot.common import train_utils

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


# Transfers


def test_a_download_cut_in_the_middle_is_resumed(pushed, monkeypatch, impatient):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)  # 10 MB, of which the client keeps whole ones
    pushed.fail("GET", RESOLVE_WEIGHTS, calls=(1,), cut_download=SIZE // 2)
    assert same_weights(DpPlusPolicy.from_pretrained(REPO))
    assert pushed.count("GET", RESOLVE_WEIGHTS, 200) == pushed.count("GET", RESOLVE_WEIGHTS, 206) == 1


def test_a_download_that_is_always_cut_leaves_nothing(pushed, impatient):
    cut = pushed.fail("GET", RESOLVE_WEIGHTS, cut_download=SIZE // 2)
    with pytest.raises(DownloadFailed, match=rf"model\.safetensors of {REPO}.* could not be downloaded.*try again"):
        DpPlusPolicy.from_pretrained(REPO)
    assert 2 <= cut.seen <= 30 and cached() == ["config.json"]
    pushed.faults.clear()
    assert same_weights(DpPlusPolicy.from_pretrained(REPO))


def test_a_connection_reset_is_tried_again(pushed, monkeypatch):
    stock, attempts = fetching.hf_hub_download, []

    def reset_twice(*args, **options):
        attempts.append(args)
        if len(attempts) < 3:
            raise httpx.ReadError("Connection reset by peer")
        return stock(*args, **options)

    monkeypatch.setattr(fetching, "hf_hub_download", reset_twice)
    assert same_weights(DpPlusPolicy.from_pretrained(REPO))
    assert len(attempts) == 4  # config three times, weights once


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_hub_out_of_order_for_a_moment(pushed, method, status):
    pushed.fail(method, "/resolve/", calls=(1,), status=status, retry_after=0)
    assert same_weights(DpPlusPolicy.from_pretrained(REPO))


def test_a_hub_out_of_order(pushed):
    pushed.fail("*", "/resolve/", status=503)
    with Quick(), pytest.raises(HubUnreachable, match="answers with status 503: try again later"):
        DpPlusPolicy.from_pretrained(REPO)
    pushed.faults.clear()
    pushed.fail("GET", RESOLVE_WEIGHTS, status=503)
    with Quick(), pytest.raises(DownloadFailed, match=rf"{REPO}.*several attempts.*503"):
        DpPlusPolicy.from_pretrained(REPO)
    assert cached() == ["config.json"]
    pushed.faults.clear()
    assert same_weights(DpPlusPolicy.from_pretrained(REPO))


def test_content_that_differs_from_what_the_hub_declares_is_fetched_again_or_refused(pushed, caplog):
    flipped = pushed.fail("GET", RESOLVE_WEIGHTS, calls=(1,), flip=True)
    assert same_weights(DpPlusPolicy.from_pretrained(REPO))
    assert "is not what the Hub declared: fetching it again" in caplog.text
    shutil.rmtree(constants.HF_HUB_CACHE)
    flipped.calls = range(100)
    with pytest.raises(
        ValueError, match=r"model\.safetensors of .*has hash [0-9a-f]{64}, and the Hub declared [0-9a-f]{64}"
    ):
        DpPlusPolicy.from_pretrained(REPO)
    pushed.faults.clear()
    with pytest.raises(ValueError, match="has hash"):  # what is in the cache is not trusted either
        DpPlusPolicy.from_pretrained(REPO, local_files_only=True)
    assert same_weights(DpPlusPolicy.from_pretrained(REPO))


def test_a_wrong_config_is_caught_too(pushed):
    pushed.fail("GET", r"/resolve/.*config\.json", flip=True)
    with pytest.raises(ValueError, match=r"config\.json of .*has hash [0-9a-f]{40}, and the Hub declared [0-9a-f]{40}"):
        PreTrainedConfig.from_pretrained(REPO)


def test_damage_on_the_disk_is_repaired(pushed):
    DpPlusPolicy.from_pretrained(REPO)
    file = next(Path(constants.HF_HUB_CACHE).glob(f"models--alice--policy/snapshots/*/{WEIGHTS}")).resolve()
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match="damaged on the way or on the disk"):
        DpPlusPolicy.from_pretrained(REPO, local_files_only=True)
    assert same_weights(DpPlusPolicy.from_pretrained(REPO))
    assert same_weights(DpPlusPolicy.from_pretrained(REPO, local_files_only=True))


def test_a_wrong_size_is_refused_and_nothing_is_kept(pushed):
    pushed.fail("HEAD", RESOLVE_WEIGHTS, extra_size=7)
    with pytest.raises(DownloadFailed, match=rf"should be of size {SIZE + 7} but has size {SIZE}"):
        DpPlusPolicy.from_pretrained(REPO)
    assert cached() == ["config.json"]
    pushed.faults.clear()
    assert same_weights(DpPlusPolicy.from_pretrained(REPO))


def test_truncated_weights_on_the_hub(pushed):
    replace_on_hub(pushed, {WEIGHTS: (KEPT / WEIGHTS).read_bytes()[:5000]})
    with pytest.raises(
        ValueError, match=rf"{REPO} at commit [0-9a-f]{{8}}: model\.safetensors is truncated .*5000 bytes"
    ):
        DpPlusPolicy.from_pretrained(REPO)


FULL_DISK = """
import resource, sys
from lerobot_dp_plus.policies.fetching import Checkpoint
from lerobot_dp_plus.policies.loading_errors import DownloadFailed
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
checkpoint = Checkpoint("alice/policy")
checkpoint.fetch("config.json")
try:
    checkpoint.fetch("model.safetensors")
except DownloadFailed as error:
    sys.exit(f"refused: {error}")
"""


def test_a_disk_that_is_full(pushed, tmp_path):
    """A process whose files may not grow beyond 10 kB; the weights are larger."""
    home = tmp_path / "home"
    command = [sys.executable, "-c", FULL_DISK]
    done = subprocess.run(command, env=environment(pushed, home), capture_output=True, text=True, check=False)
    assert (
        done.returncode == 1 and f"refused: {REPO} could not be downloaded: no room in the cache {home}" in done.stderr
    )
    present = [path.name for path in (home / "hub").rglob("*") if path.is_file()]
    assert "config.json" in present and WEIGHTS not in present
    assert not [name for name in present if name.endswith(".incomplete")]
    assert same_weights(DpPlusPolicy.from_pretrained(REPO, cache_dir=home / "hub"))  # goes on where there is room


def test_a_cache_that_is_full_for_this_process(pushed, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    with pytest.raises(
        DownloadFailed, match=rf"no room in the cache {constants.HF_HUB_CACHE} \(No space left on device\)"
    ):
        DpPlusPolicy.from_pretrained(REPO)


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
    with pytest.raises(ValueError, match=r"`churn` are not valid for Euler$"):
        DpPlusPolicy.from_pretrained(REPO)
