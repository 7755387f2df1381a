"""What happens to a checkpoint on its way from a Hub: nothing half-written or changed is ever used."""

import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from hub_fixtures import environment
from huggingface_hub import constants
from lerobot.configs import PreTrainedConfig
from loading_hub import KEPT, REPO, RESOLVE_WEIGHTS, SIZE, WEIGHTS, Quick, cached, replace_on_hub, same_weights

from lerobot_dp_plus.policies import fetching
from lerobot_dp_plus.policies.loading_errors import DownloadFailed, HubUnreachable
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy


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
