"""A Hub with a checkpoint on it, and what a loader has left in its cache."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hub_fixtures import api
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, constants
from lerobot.configs import PreTrainedConfig
from safetensors.torch import load_file

from lerobot_dp_plus import patches
from lerobot_dp_plus.policies import fetching
from lerobot_dp_plus.policies.configuration_dp_plus import FORMAT_VERSION
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy

KEPT = Path(__file__).parents[1] / "checkpoints" / f"format_{FORMAT_VERSION}" / "dp_plus_flow"
REPO = "alice/policy"
WEIGHTS = "model.safetensors"
SIZE = (KEPT / WEIGHTS).stat().st_size
RESOLVE_WEIGHTS = r"/resolve/.*/model\.safetensors"
DOORS = {"policy": DpPlusPolicy.from_pretrained, "config": PreTrainedConfig.from_pretrained}

patches.install()


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
