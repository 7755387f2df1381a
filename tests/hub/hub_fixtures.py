"""Fixtures: a Hub on loopback, and this process's huggingface_hub pointed at it instead of switched off.

tests/conftest.py sets HF_HUB_OFFLINE=1 for everybody, and huggingface_hub reads that and its endpoint once, at import.
`online` changes both for one test only, in the modules that hold them; what is not loopback cannot be reached:
connecting anywhere else fails the test. A child process needs `environment(hub)` instead.
"""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
from hub_server import LoopbackHub
from huggingface_hub import constants, hf_api
from huggingface_hub.utils import close_session

TOKEN = "hf_alice"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LoopbackHub]:
    """A Hub with nothing in it."""
    with LoopbackHub(tmp_path / "hub") as made:
        yield made


@pytest.fixture
def online(hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """huggingface_hub talks to `hub` as alice, with an empty cache in tmp_path / "cache"; gives `hub`."""
    patched = {
        "ENDPOINT": hub.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "HF_TOKEN_PATH": str(tmp_path / "no_token"),
    }
    for name, value in patched.items():
        monkeypatch.setattr(constants, name, value)
    # The module's own functions (create_repo, snapshot_download's tree, …) are methods of one instance made at import.
    monkeypatch.setattr(hf_api.api, "endpoint", hub.url)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(socket.socket, "connect", _loopback_only(socket.socket.connect))
    close_session()
    yield hub
    close_session()


@pytest.fixture
def no_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening any connection, loopback included, fails the test."""

    def refuse(self: socket.socket, address: object) -> None:
        raise AssertionError(f"a connection to {address} was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)


def environment(hub: LoopbackHub, home: Path, token: str = TOKEN) -> dict[str, str]:
    """For a child process: this process's environment with the Hub at `hub` and everything it stores in `home`."""
    return os.environ | {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": token,
        "NO_PROXY": "127.0.0.1",
    }


def _loopback_only(connect):
    def guarded(self: socket.socket, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a connection to {address}, which is not loopback, was opened")
        return connect(self, address)

    return guarded


def api(hub: LoopbackHub, token: str | bool = TOKEN) -> huggingface_hub.HfApi:
    return huggingface_hub.HfApi(endpoint=hub.url, token=token)
