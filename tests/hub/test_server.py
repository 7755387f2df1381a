"""The loopback Hub against the real client: what the other tests rely on, and that each fault does what it says."""

import hashlib
import socket
import time

import httpx
import pytest
from hub_fixtures import api
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, hf_hub_download, snapshot_download
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

FILES = {"config.json": b'{"a": 1}', "model.safetensors": bytes(range(256)) * 40, "videos/a.mp4": b"film" * 9}


def push(hub, files=FILES, repo_id="alice/pusht", deleted=(), token="hf_alice", **more):
    client = api(hub, token)
    client.create_repo(repo_id, exist_ok=True, repo_type=more.get("repo_type"))
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    operations += [CommitOperationDelete(path) for path in deleted]
    return client.create_commit(repo_id, operations, commit_message=more.pop("message", "files"), **more)


def test_round_trip(online, tmp_path):
    made = push(online)
    folder = snapshot_download("alice/pusht", cache_dir=tmp_path / "empty")
    assert {path: (tmp_path / "empty" / folder / path).read_bytes() for path in FILES} == FILES
    info = api(online).model_info("alice/pusht", files_metadata=True)
    assert info.sha == made.oid
    large = next(file for file in info.siblings if file.rfilename == "model.safetensors")
    assert large.lfs.sha256 == hashlib.sha256(FILES["model.safetensors"]).hexdigest()
    assert large.size == len(FILES["model.safetensors"])
    listed = {entry.path for entry in api(online).list_repo_tree("alice/pusht", recursive=True)}
    assert listed == {*FILES, ".gitattributes", "videos"}
    assert hf_hub_download("alice/pusht", "config.json", revision=made.oid[:10])


def test_a_commit_changes_what_it_names_and_nothing_else(online):
    push(online)
    push(online, {"config.json": b"{}"}, deleted=["videos/a.mp4"], message="second")
    assert online.files("alice/pusht") == {"config.json": b"{}", "model.safetensors": FILES["model.safetensors"]}
    assert online.titles("alice/pusht") == ["files", "second"]
    assert [c.title for c in api(online).list_repo_commits("alice/pusht")] == ["second", "files", "initial commit"]


def test_the_same_files_again_make_no_commit(online):
    push(online)
    push(online)
    assert online.titles("alice/pusht") == ["files"]
    assert online.count("PUT", "/lfs/") == 2  # the weights and the film, once


def test_a_commit_on_an_old_parent_is_refused(online):
    first = push(online)
    push(online, {"config.json": b"{}"})
    with pytest.raises(HfHubHTTPError, match="412"):
        push(online, {"config.json": b"[]"}, parent_commit=first.oid)
    assert online.files("alice/pusht")["config.json"] == b"{}"


def test_tags_and_branches(online):
    first, client = push(online), api(online)
    client.create_tag("alice/pusht", tag="v1")
    second = push(online, {"config.json": b"{}"})
    client.create_branch("alice/pusht", branch="next", revision="v1")
    refs = client.list_repo_refs("alice/pusht")
    assert {ref.name: ref.target_commit for ref in refs.branches} == {"main": second.oid, "next": first.oid}
    assert {ref.name: ref.target_commit for ref in refs.tags} == {"v1": first.oid}
    with pytest.raises(HfHubHTTPError, match="409"):
        client.create_tag("alice/pusht", tag="v1")
    client.delete_tag("alice/pusht", tag="v1")
    with pytest.raises(RevisionNotFoundError):
        client.model_info("alice/pusht", revision="v1")


def test_what_is_not_there(online):
    push(online)
    with pytest.raises(EntryNotFoundError):
        hf_hub_download("alice/pusht", "nothing.json")
    with pytest.raises(RevisionNotFoundError):
        hf_hub_download("alice/pusht", "config.json", revision="v9")
    with pytest.raises(RepositoryNotFoundError):
        hf_hub_download("alice/other", "config.json")
    assert not api(online).repo_exists("alice/pusht", repo_type="dataset")
    with pytest.raises(ValueError, match=r"Invalid metadata in README\.md"):
        push(online, {"README.md": b"---\nlicense: [\n---\n"})


def test_private_repositories_are_their_owners(online, tmp_path):
    api(online).create_repo("alice/secret", private=True)
    push(online, repo_id="alice/secret")
    assert api(online).whoami()["name"] == "alice"
    for token in ("hf_bob", False):
        with pytest.raises(RepositoryNotFoundError):
            hf_hub_download("alice/secret", "config.json", token=token, cache_dir=tmp_path / str(token))
        with pytest.raises(HfHubHTTPError, match=r"40[134]"):
            push(online, repo_id="alice/secret", token=token)
    assert hf_hub_download("alice/secret", "config.json", cache_dir=tmp_path / "alice")
    with pytest.raises(HfHubHTTPError, match="403"):
        push(online, repo_id="alice/public", token="hf_bob")


def test_data_sets_live_apart(online):
    push(online, {"data/a.parquet": b"rows"}, repo_type="dataset")
    assert online.files("alice/pusht", kind="dataset") == {"data/a.parquet": b"rows"}
    assert hf_hub_download("alice/pusht", "data/a.parquet", repo_type="dataset")
    with pytest.raises(AssertionError, match="no model"):
        online.files("alice/pusht")


def test_status_faults_strike_the_calls_they_name(online):
    online.fail("GET", "/api/models/", calls=(2,), status=503, retry_after=7)
    push(online)
    statuses = [httpx.get(f"{online.url}/api/models/alice/pusht") for _ in range(3)]
    assert [answer.status_code for answer in statuses] == [200, 503, 200]
    assert statuses[1].headers["retry-after"] == "7"


def test_cut_upload_stores_nothing(online):
    push(online)
    online.fail("PUT", "/lfs/", cut_upload=100)
    with pytest.raises(httpx.TransportError):
        httpx.put(f"{online.url}/lfs/{'0' * 64}", content=b"x" * 5_000_000)
    assert not online.store.path("0" * 64).exists()
    assert online.log[-1].status == 0


def test_cut_download_sends_the_first_bytes_only(online):
    push(online)
    online.fail("GET", "/resolve/", calls=(1,), cut_download=100)
    url = f"{online.url}/alice/pusht/resolve/main/model.safetensors"
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(url)
    rest = httpx.get(url, headers={"Range": "bytes=100-"})
    assert rest.status_code == 206 and rest.content == FILES["model.safetensors"][100:]


def test_flip_and_extra_size(online):
    push(online)
    online.fail("GET", "safetensors", flip=True)
    online.fail("HEAD", "safetensors", extra_size=7)
    url = f"{online.url}/alice/pusht/resolve/main/model.safetensors"
    got, true = httpx.get(url).content, FILES["model.safetensors"]
    assert got[:-1] == true[:-1] and got[-1] != true[-1] and len(got) == len(true)
    assert int(httpx.head(url).headers["content-length"]) == len(true) + 7


def test_stall_before_and_shutdown(online):
    push(online)
    called = []
    online.fail("GET", "/refs", calls=(1,), stall=0.2, before=lambda: called.append(1))
    started = time.monotonic()
    httpx.get(f"{online.url}/api/models/alice/pusht/refs")
    assert time.monotonic() - started > 0.19 and called == [1]
    online.fail("GET", "/refs", calls=(1,), shutdown=True)
    with httpx.Client() as client:
        assert client.get(f"{online.url}/api/models/alice/pusht").status_code == 200
        with pytest.raises(httpx.TransportError):
            client.get(f"{online.url}/api/models/alice/pusht/refs")
        with pytest.raises(httpx.ConnectError):
            client.get(f"{online.url}/api/models/alice/pusht")
        online.start()
        assert client.get(f"{online.url}/api/models/alice/pusht/refs").status_code == 200


def test_connections_elsewhere_fail_the_test(online):
    with pytest.raises(AssertionError, match="not loopback"), socket.socket() as other:
        other.connect(("192.0.2.1", 80))
