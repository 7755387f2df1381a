"""A folder becomes one commit or none, whatever the Hub does meanwhile: main is the old revision or the new one."""

import time
from pathlib import Path

import pytest
from hub_fixtures import api
from huggingface_hub import CommitOperationAdd, get_session

from lerobot_dp_plus.hub.contents import digest, files_in
from lerobot_dp_plus.hub.patience import HubConflict, HubRefused, HubUnreachable, Patience
from lerobot_dp_plus.hub.upload import Repository
from lerobot_dp_plus.hub.verify import HubDamaged, download

NAME = "alice/pusht"
#: The same rules as people get, in a hurry.
QUICK = Patience(connect=2.0, silence=0.5, tries=3, pause=0.02, give_up=3.0, longest_pause=1.5)
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


def test_one_commit_with_everything(online, new):
    made = repository().upload(new, title="Step 5")
    assert made.changed and made.previous is None
    assert online.files(NAME) == contents(b"new ")
    assert online.titles(NAME) == ["Step 5"]
    assert online.repo(NAME).branches["main"] == made.commit
    assert made.url == f"{online.url}/{NAME}"


def test_the_same_again_sends_no_file_and_makes_no_commit(online, new):
    first = repository().upload(new)
    sent = len(online.log)
    second = repository().upload(new)
    assert not second.changed and second.commit == second.previous == first.commit
    assert [(r.method, r.status) for r in online.log[sent:]] == [("GET", 200)]
    assert len(online.titles(NAME)) == 1


def test_what_changed_is_replaced_and_what_is_stale_is_deleted_and_the_rest_stays(online, old, new):
    repository().upload(old)
    api(online).create_commit(NAME, [CommitOperationAdd("notes/mine.txt", b"kept")], commit_message="by hand")
    (new / "videos/episode_0.mp4").unlink()
    (new / "policy_preprocessor_step_3_normalizer_processor.safetensors").rename(
        new / "policy_preprocessor_step_4_normalizer_processor.safetensors"
    )
    made = repository().upload(new)
    expected = contents(b"new ")
    del expected["videos/episode_0.mp4"]
    expected["policy_preprocessor_step_4_normalizer_processor.safetensors"] = expected.pop(
        "policy_preprocessor_step_3_normalizer_processor.safetensors"
    )
    assert online.files(NAME) == {**expected, "notes/mine.txt": b"kept"}
    assert len(online.titles(NAME)) == 3 and made.previous == online.repo(NAME).history("main")[1].oid


@pytest.mark.parametrize("name", ["optimizer.pt", "model.bin", "pickled.pkl", "run.py", "weights.tmp"])
def test_other_kinds_of_files_are_refused_before_anything_is_sent(hub, no_connections, new, name):
    (new / name).write_bytes(b"x")
    with pytest.raises(ValueError, match=rf"{name}, which is not uploaded; legal are \*\.safetensors, \*\.json"):
        repository().upload(new)
    assert hub.log == []


def test_a_folder_without_weights_is_refused_before_anything_is_sent(hub, no_connections, new):
    (new / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no model\.safetensors; it has README\.md, config\.json"):
        repository().upload(new)


@pytest.mark.parametrize("name", ["pusht", "a/b/c", "alice/-x", ""])
def test_illegal_names(name):
    with pytest.raises(ValueError, match="repo_id = "):
        Repository(name)


def test_offline_nothing_is_sent(hub, no_connections, new):
    # Without the fixture `online`: the test process is offline.
    with pytest.raises(HubUnreachable, match=r"HF_HUB_OFFLINE is set, so nothing was sent"):
        repository().upload(new)


# One fault at each step. Then main is the old revision, and the same call again completes it.

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
    assert time.monotonic() - started < 3
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
    online.fail(*STEPS[step], stall=0.5)
    with pytest.raises(HubUnreachable, match=r"did not answer (GET|POST|PUT) /.* in time"):
        repository(patience=Patience(silence=0.2, tries=2, pause=0.01)).upload(new)
    # What was sent into the silence is still carried out: the commit of two tries is made once.
    time.sleep(0.7 if step == "commit" else 0)
    assert online.files(NAME) == contents(b"new " if step == "commit" else b"old ")
    online.faults.clear()
    repository().upload(new)
    assert online.files(NAME) == contents(b"new ") and len(online.titles(NAME)) == 2


def test_silence_after_the_file_is_there_costs_one_more_try(online, new):
    online.fail("POST", "/lfs-verify", stall=0.5)
    assert repository(patience=Patience(silence=0.2, tries=2, pause=0.01)).upload(new).changed
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
    assert 1.0 < time.monotonic() - started < 2.5
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


# Who may


def test_private_stays_private(online, new):
    repository().upload(new, private=True)
    assert online.repo(NAME).private
    with pytest.raises(HubRefused, match=r"the Hub says 40[34]"):
        repository(token="hf_bob").upload(new)
    repository().upload(new, private=True)
    assert len(online.titles(NAME)) == 1


def test_private_is_not_published_into_the_open(online, old, new):
    repository().upload(old)
    with pytest.raises(HubRefused, match=r"exists and everybody can read it; .*make it private"):
        repository().upload(new, private=True)
    assert online.files(NAME) == contents(b"old ")


def test_no_token_and_a_wrong_one(online, new, monkeypatch):
    with pytest.raises(
        HubRefused, match=r"the Hub says 401 .*log in with `hf auth login`, set HF_TOKEN or pass --token"
    ):
        repository(token="hf_mistyped").upload(new)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(HubRefused, match="log in with"):
        repository(token=None).upload(new)
    with pytest.raises(HubRefused, match=r"the Hub says 403 .*no right to it: check the name"):
        repository(token="hf_bob").upload(new)
    assert online.store.repos == {}


def test_an_illegal_card_is_refused_before_a_file_is_sent(online, old, new):
    repository().upload(old)
    (new / "README.md").write_bytes(b"---\nlicense: [\n---\n")
    with pytest.raises(ValueError, match=r"Invalid metadata in README\.md"):
        repository().upload(new)
    assert online.files(NAME) == contents(b"old ") and online.count("PUT", "/lfs/") == 3


# Tags


def test_tags_are_made_once_and_never_moved(online, old, new):
    files = files_in(old)
    first = repository().upload(old)
    assert repository().tag("v1", first.commit, files)
    assert not repository().tag("v1", first.commit, files)
    second = repository().upload(new)
    with pytest.raises(HubConflict, match=r"has a revision 'v1' already, commit \w{8}, with another README\.md"):
        repository().check_tag("v1", files_in(new))
    with pytest.raises(HubConflict):
        repository().tag("v1", second.commit, files_in(new))
    assert online.repo(NAME).tags == {"v1": first.commit}
    assert online.count("POST", "/tag/") == 1


@pytest.mark.parametrize("how", [{"shutdown": True}, {"status": 500}])
def test_a_tag_that_fails_leaves_main_and_is_made_the_next_time(online, new, how):
    made = repository().upload(new)
    online.fail("POST", "/tag/", **how)
    with pytest.raises(HubUnreachable, match=r"tag 'v1' of alice/pusht: "):
        repository().tag("v1", made.commit, files_in(new))
    online.faults.clear()
    if not online.running:
        online.start()
    assert online.files(NAME) == contents(b"new ") and online.repo(NAME).tags == {}
    assert repository().tag("v1", made.commit, files_in(new))


# Downloading what was uploaded


def test_what_comes_back_is_what_was_sent(online, new, tmp_path):
    made = repository().upload(new)
    folder = download(repository(), made.commit, files_in(new), tmp_path / "empty")
    assert digest(files_in(folder)) == digest(files_in(new))
    with pytest.raises(FileExistsError, match="is not empty"):
        download(repository(), made.commit, files_in(new), tmp_path / "empty")


@pytest.mark.parametrize("method, how", [("GET", {"flip": True}), ("HEAD", {"extra_size": 3})])
def test_what_comes_back_changed_is_named(online, new, tmp_path, method, how):
    made = repository().upload(new)
    online.fail(method, r"/resolve/.*/model\.safetensors", **how)
    with pytest.raises(HubDamaged, match=r"alice/pusht at commit \w{8}"):
        download(repository(), made.commit, files_in(new), tmp_path / "empty")
    assert online.files(NAME) == contents(b"new ")


def test_a_download_that_breaks_goes_on(online, new, tmp_path):
    made = repository().upload(new)
    online.fail("GET", r"/resolve/.*/model\.safetensors", calls=(1,), cut_download=100)
    online.fail("GET", r"/resolve/.*/config\.json", calls=(1,), status=503)
    download(repository(), made.commit, files_in(new), tmp_path / "empty")


def test_a_server_that_goes_down_while_downloading(online, new, tmp_path):
    made = repository().upload(new)
    online.fail("GET", r"/resolve/.*/model\.safetensors", shutdown=True)
    with pytest.raises(HubUnreachable, match=r"check by downloading alice/pusht at commit \w{8}: the Hub at"):
        download(repository(), made.commit, files_in(new), tmp_path / "empty")


def test_the_clients_own_settings_come_back(online, new):
    before = get_session().timeout
    repository().upload(new)
    assert get_session().timeout == before
