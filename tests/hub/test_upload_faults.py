"""Whatever the Hub does during an upload, main is the old revision or the new one, and the same call again completes it."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hub_fixtures import environment
from uploads import NAME, contents, repository, write

from lerobot_dp_plus.hub.contents import files_in
from lerobot_dp_plus.hub.patience import HubConflict, HubUnreachable, Patience

STEPS = {
    "look": ("GET", "/api/models/"),
    "card": ("POST", "/validate-yaml"),
    "preupload": ("POST", "/preupload/"),
    "batch": ("POST", "/objects/batch"),
    "put": ("PUT", "/lfs/"),
    "verify": ("POST", "/lfs-verify"),
    "commit": ("POST", "/commit/"),
}


def assert_old_then_completed(hub, new, commits_before=1):
    assert hub.files(NAME) == contents(b"old ")
    assert len(hub.titles(NAME)) == commits_before
    hub.faults.clear()
    if not hub.running:
        hub.start()
    assert repository().upload(new).changed
    assert hub.files(NAME) == contents(b"new ") and len(hub.titles(NAME)) == commits_before + 1


@pytest.mark.parametrize("step", STEPS)
def test_the_server_goes_down(online, old, new, step):
    repository().upload(old)
    online.fail(*STEPS[step], calls=(1,), shutdown=True)
    started = time.monotonic()
    with pytest.raises(HubUnreachable, match=rf"upload to {NAME}: the Hub at {online.url} cannot be reached .*3 tries"):
        repository().upload(new)
    assert time.monotonic() - started < 10  # huggingface_hub alone: 23 s
    assert_old_then_completed(online, new)


def test_the_server_is_down_when_the_repository_is_made(online, new):
    online.fail("POST", "/repos/create", shutdown=True)
    with pytest.raises(HubUnreachable, match="cannot be reached"):
        repository().upload(new)
    assert online.store.repos == {}
    online.faults.clear()
    online.start()
    repository().upload(new)
    assert online.files(NAME) == contents(b"new ")


@pytest.mark.parametrize("step", [step for step in STEPS if step != "verify"])
def test_the_server_falls_silent(online, old, new, step):
    repository().upload(old)
    over = threading.Event()
    online.fail(*STEPS[step], before=lambda: over.wait(60))
    with pytest.raises(HubUnreachable, match=r"did not answer (GET|POST|PUT) /.* in time"):
        repository(patience=Patience(silence=0.4, tries=2, pause=0.01)).upload(new)
    assert online.files(NAME) == contents(b"old ")
    # What was sent into the silence is still carried out: the commit of two tries is made once.
    over.set()
    deadline = time.monotonic() + 20
    while step == "commit" and len(online.titles(NAME)) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert online.files(NAME) == contents(b"new " if step == "commit" else b"old ")
    online.faults.clear()
    repository().upload(new)
    assert online.files(NAME) == contents(b"new ") and len(online.titles(NAME)) == 2


def test_silence_after_the_file_is_there_costs_one_more_try(online, new):
    over = threading.Event()
    online.fail("POST", "/lfs-verify", before=lambda: over.wait(60))
    assert repository(patience=Patience(silence=0.5, tries=2, pause=0.01)).upload(new).changed
    over.set()
    assert online.files(NAME) == contents(b"new ") and online.count("PUT", "/lfs/") == 3


@pytest.mark.parametrize(
    "step, status", [*((step, 500) for step in STEPS), ("put", 503), ("look", 429), ("commit", 429)]
)
def test_busy_once_is_no_failure(online, old, new, step, status):
    repository().upload(old)
    online.fail(*STEPS[step], calls=(1,), status=status)
    assert repository().upload(new).changed
    assert online.files(NAME) == contents(b"new ") and len(online.titles(NAME)) == 2


def test_the_server_says_when_to_come_back(online, new):
    online.fail("POST", "/preupload/", calls=(1,), status=429, retry_after=1)
    started = time.monotonic()
    repository().upload(new)
    assert 1.0 < time.monotonic() - started < 10
    online.fail("GET", "/api/models/", status=429, retry_after=3600)
    with pytest.raises(HubUnreachable, match=r"answered 429 .*asks to come back in 3600 s"):
        repository().upload(new)


def test_always_busy_ends_in_a_message(online, old, new):
    repository().upload(old)
    online.fail("POST", "/commit/", status=500)
    with pytest.raises(
        HubUnreachable, match=r"answered 500 .* to POST /api/models/alice/pusht/commit/main \(3 tries\)"
    ):
        repository().upload(new)
    assert_old_then_completed(online, new)


@pytest.mark.parametrize("step", ["put", "commit"])
def test_the_connection_breaks_in_the_middle_of_sending(online, old, new, step):
    repository().upload(old)
    fault = online.fail(*STEPS[step], calls=(1,), cut_upload=50)
    assert repository().upload(new).changed
    assert fault.seen > 1
    assert online.files(NAME) == contents(b"new ") and len(online.titles(NAME)) == 2
    (new / "config.json").write_bytes(b"{}")
    (new / "model.safetensors").write_bytes(b"third")
    online.fail(*STEPS[step], cut_upload=50)
    with pytest.raises(HubUnreachable):
        repository().upload(new)
    assert online.files(NAME) == contents(b"new ")


def test_a_commit_whose_answer_is_lost_is_not_made_twice(online, old, new):
    repository().upload(old)
    online.fail("POST", "/commit/", calls=(1,), cut_download=5)
    made = repository().upload(new)
    assert made.changed and made.previous == online.repo(NAME).history("main")[1].oid
    assert online.files(NAME) == contents(b"new ") and len(online.titles(NAME)) == 2
    assert online.count("POST", "/commit/") == 2  # the one of `old`, and one


def test_two_publishers_at_once(online, old, new, tmp_path):
    repository().upload(old)
    theirs = write(tmp_path / "theirs", contents(b"their"))
    # The other one's upload happens while our commit request arrives.
    online.fail("POST", "/commit/", calls=(1,), before=lambda: online_push(online, theirs))
    with pytest.raises(HubConflict, match=r"another publisher committed \w{8} at the same time, .* run this again"):
        repository().upload(new)
    assert online.files(NAME) == contents(b"their")
    online.faults.clear()
    repository().upload(new)
    assert online.files(NAME) == contents(b"new ") and len(online.titles(NAME)) == 3


def test_two_publishers_of_the_same_make_one_commit(online, old, new):
    repository().upload(old)
    online.fail("POST", "/commit/", calls=(1,), before=lambda: online_push(online, new))
    made = repository().upload(new)
    assert not made.changed and online.files(NAME) == contents(b"new ") and len(online.titles(NAME)) == 2


def online_push(hub, folder: Path) -> None:
    """Another publisher's commit, straight into the store: the request that is being handled waits."""
    lines = [{"key": "header", "value": {"summary": "theirs"}}]
    for name, path in files_in(folder).items():
        content = path.read_bytes()
        entry = hub.store.keep(content, large=name.endswith((".safetensors", ".mp4")))
        lines.append({"key": "lfsFile", "value": {"path": name, "oid": entry.sha256, "size": entry.size}})
    hub.store.commit(hub.repo(NAME), "main", lines)


CHILD = """
import sys
from pathlib import Path
from lerobot_dp_plus.hub.upload import Repository
Repository("alice/pusht").upload(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("step", ["put", "commit"])
def test_a_process_that_is_killed_leaves_the_old_revision(online, old, new, tmp_path, step):
    repository().upload(old)
    killed = threading.Event()

    def kill() -> None:
        if not killed.is_set():
            child.kill()
            child.wait()
            killed.set()

    online.fail(*STEPS[step], before=kill, cut_upload=50)
    environ = environment(online, tmp_path / "home") | {"PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(new)], env=environ, stderr=subprocess.DEVNULL)
    assert killed.wait(120) and child.returncode == -signal.SIGKILL
    assert_old_then_completed(online, new)
