"""Folders to upload, and who uploads them."""

from pathlib import Path

import pytest

from lerobot_dp_plus.hub.patience import Patience
from lerobot_dp_plus.hub.upload import Repository

NAME = "alice/pusht"
#: The same rules as people get, in a hurry.
QUICK = Patience(connect=2.0, silence=5.0, tries=3, pause=0.02, give_up=3.0, longest_pause=1.5)
CARD = b"---\nlicense: apache-2.0\n---\n# PushT\n"


def repository(**more) -> Repository:
    return Repository(NAME, **{"token": "hf_alice", "patience": QUICK, **more})


def contents(weights: bytes) -> dict[str, bytes]:
    return {
        "README.md": CARD + weights,
        "config.json": b'{"type": "dp_plus_dit"}',
        "model.safetensors": weights * 1000,
        "policy_preprocessor_step_3_normalizer_processor.safetensors": weights,
        "videos/episode_0.mp4": b"film" + weights,
    }


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return write(tmp_path / "old", contents(b"old "))


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return write(tmp_path / "new", contents(b"new "))
