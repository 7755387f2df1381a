"""A folder becomes one commit or none, by whom it may; tags never move; what comes back is what was sent."""

import pytest
from hub_fixtures import api
from huggingface_hub import CommitOperationAdd, get_session
from uploads import NAME, contents, repository

from lerobot_dp_plus.hub.contents import digest, files_in
from lerobot_dp_plus.hub.patience import HubConflict, HubRefused, HubUnreachable
from lerobot_dp_plus.hub.upload import Repository
from lerobot_dp_plus.hub.verify import HubDamaged, download


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
