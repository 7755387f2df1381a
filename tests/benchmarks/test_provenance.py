"""Figures that are committed are those of code that is committed."""

import json
import subprocess

import pytest

from benchmarks import common
from benchmarks.common import RESULTS, ROOT, not_committed, provenance, write_json

CLEAN = "c0ffee" * 6 + "c0ff"


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository of its own with committed code and results; runs git in it."""

    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org")
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    for file in (
        "lerobot_dp_plus/code.py",
        "benchmarks/code.py",
        "benchmarks/results/one.json",
        "benchmarks/README.md",
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("1\n")
    git("init")
    git("add", ".")
    git("commit", "-m", "everything")
    monkeypatch.setattr(common, "ROOT", tmp_path)
    monkeypatch.setattr(common, "RESULTS", tmp_path / "benchmarks" / "results")
    return tmp_path


def test_nothing_is_measured_into_the_results_from_changed_code(repository, tmp_path_factory):
    path, elsewhere = common.RESULTS / "new.json", tmp_path_factory.mktemp("elsewhere") / "new.json"
    write_json(path, provenance(path))
    assert len(json.loads(path.read_text())["commit"]) == 40
    for file in ("lerobot_dp_plus/code.py", "benchmarks/new_code.py"):  # changed, and never committed
        before = (repository / file).read_text() if (repository / file).exists() else None
        (repository / file).write_text("2\n")
        with pytest.raises(ValueError, match=f"-dirty.*changed: {file}.*Commit first, or give --json FILE outside"):
            provenance(path)
        marked = provenance(elsewhere)
        write_json(elsewhere, marked)
        assert json.loads(elsewhere.read_text())["commit"].endswith("-dirty")
        with pytest.raises(ValueError, match="-dirty"):
            write_json(path, marked)
        (repository / file).unlink() if before is None else (repository / file).write_text(before)


def test_results_and_words_of_an_earlier_measurement_change_nothing(repository):
    for file in ("benchmarks/results/one.json", "benchmarks/results/new.png", "benchmarks/README.md", "notes.txt"):
        (repository / file).write_text("2\n")
    assert not provenance(common.RESULTS / "two.json")["commit"].endswith("-dirty")


def test_without_a_repository_nobody_can_look_it_up(repository):
    (repository / ".git").rename(repository / "gone")
    with pytest.raises(ValueError, match="unknown"):
        provenance(common.RESULTS / "two.json")


def test_a_row_that_was_measured_or_trained_before_a_commit_is_noticed(repository):
    rows = [{"commit": CLEAN, "training_commit": f"{CLEAN}-dirty"}, {"commit": "unknown"}, {"training_commit": None}]
    assert not_committed({"commit": CLEAN, "rows": rows}) == [f"training_commit: {CLEAN}-dirty", "commit: unknown"]
    with pytest.raises(ValueError, match=f"training_commit: {CLEAN}-dirty"):
        write_json(common.RESULTS / "new.json", {"rows": rows[:1]})
    assert not (common.RESULTS / "new.json").exists()


def test_no_result_that_comes_along_is_of_uncommitted_code():
    files = [*RESULTS.rglob("*.json"), *(ROOT / "hub_cards").rglob("*.json")]
    found = {str(file.relative_to(ROOT)): not_committed(json.loads(file.read_text())) for file in files}
    assert len(found) > 10 and {name: commits for name, commits in found.items() if commits} == {}
