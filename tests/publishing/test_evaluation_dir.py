"""What an evaluation's folder gives to a card: figures of these weights, a few films, nothing about this machine."""

import json
from pathlib import Path

import pytest
from conftest import local_checkpoint
from test_publish import publisher

from lerobot_dp_plus.evaluation.folders import weights_digest
from lerobot_dp_plus.evaluation.report import read_report
from lerobot_dp_plus.hub.contents import digest, files_in
from lerobot_dp_plus.publishing import evaluation_dir

HOME = "/home/somebody/outputs/eval"
OUTCOMES = [True, True, True, False, True, False]


@pytest.fixture
def evaluation(tmp_path: Path) -> Path:
    """Output of LeRobot's eval on PushT, six episodes filmed."""
    folder = tmp_path / "eval"
    films = [f"{HOME}/videos/pusht_0/eval_episode_{episode}.mp4" for episode in range(6)]
    metrics = {
        "sum_rewards": [1.0] * 6,
        "max_rewards": [1.0 if success else 0.5 for success in OUTCOMES],
        "successes": OUTCOMES,
        "video_paths": films,
    }
    info = {
        "per_task": [{"task_group": "pusht", "task_id": 0, "metrics": metrics}],
        "overall": {"pc_success": 66.7, "eval_s": 3.0, "video_paths": films, "predicted_video_paths": []},
    }
    (folder / "videos" / "pusht_0").mkdir(parents=True)
    for episode in range(6):
        (folder / "videos" / "pusht_0" / f"eval_episode_{episode}.mp4").write_bytes(b"film %d" % episode)
    (folder / "eval_info.json").write_text(json.dumps(info))
    (folder / "action_distribution.png").write_bytes(b"picture")
    return folder


def add_report(evaluation: Path, weights: str, name: str = "report.json") -> None:
    report = {
        **vars(read_report(evaluation / "eval_info.json", first_seed=100)),
        "weights_sha256": weights,
        "checkpoint": f"{HOME}/../train",
        "picture": f"{HOME}/action_distribution.png",
        "step": 5,
    }
    (evaluation / name).write_text(json.dumps(report))


def write(checkpoint: Path, folder: Path, evaluation: Path, **more) -> Path:
    publisher(eval_dir=evaluation, **more).write(checkpoint, folder)
    return folder


def test_everything_of_an_evaluation_without_paths_of_this_machine(no_connections, checkpoint, evaluation, tmp_path):
    add_report(evaluation, weights_digest(local_checkpoint(checkpoint)))
    folder = write(checkpoint, tmp_path / "upload", evaluation)
    report, info = (json.loads((folder / name).read_text()) for name in ("report.json", "eval_info.json"))
    # Two successes and two failures, so that the card can show one of each.
    kept = [f"videos/eval_episode_{episode}.mp4" for episode in (0, 1, 3, 5)]
    assert sorted(path.relative_to(folder).as_posix() for path in folder.glob("videos/*")) == kept
    assert report["videos"] == kept and report["picture"] == "action_distribution.png" and report["checkpoint"] is None
    assert info["per_task"][0]["metrics"]["video_paths"] == info["overall"]["video_paths"] == kept
    assert info["per_task"][0]["metrics"]["successes"] == OUTCOMES
    assert report["weights_sha256"] == weights_digest(folder) != weights_digest(local_checkpoint(checkpoint))
    published = [*folder.glob("*.json"), folder / "README.md"]
    assert not [path.name for path in published if HOME in path.read_text() or str(tmp_path) in path.read_text()]
    card = (folder / "README.md").read_text()
    assert "66.7" in card and "seeds 100" in card and "action_distribution.png" in card
    # What was published, downloaded and published again is the same.
    again = write(folder, tmp_path / "again", folder)
    assert digest(files_in(again)) == digest(files_in(folder))


def test_a_report_is_made_where_only_lerobots_file_is(no_connections, checkpoint, evaluation, tmp_path):
    plus = publisher(eval_dir=evaluation, eval_seed=100)
    plus.write(checkpoint, tmp_path / "upload")
    report = json.loads((tmp_path / "upload" / "report.json").read_text())
    assert (report["successes"], report["episodes"], report["seeds"]) == (4, 6, [100, 105])
    assert report["score"] == pytest.approx((4 + 2 * 0.5) / 6) and report["weights_sha256"] is None
    said = plus.console.file.getvalue()
    assert "eval_info.json does not say which weights it is about" in said and "2 of 6 films" in said


def test_other_environments_get_no_pusht_score(no_connections, checkpoint, evaluation, tmp_path):
    file = evaluation / "eval_info.json"
    file.write_text(file.read_text().replace('"pusht"', '"aloha"'))
    folder = write(checkpoint, tmp_path / "upload", evaluation, eval_seed=100)
    assert not (folder / "report.json").exists()
    assert "66.7" in (folder / "README.md").read_text()


@pytest.mark.parametrize("name", ["report.json", "report_more.json"])
def test_an_evaluation_of_other_weights_is_refused(no_connections, checkpoint, evaluation, tmp_path, name):
    add_report(evaluation, "0" * 64, name)
    with pytest.raises(
        ValueError, match=rf"{name} is about weights with SHA-256 0{{64}}; those of the checkpoint have"
    ):
        write(checkpoint, tmp_path / "upload", evaluation)
    assert not (tmp_path / "upload").exists()


def test_folders_that_are_no_evaluation(no_connections, checkpoint, evaluation, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no eval_info\.json and no report\.json"):
        write(checkpoint, tmp_path / "upload", tmp_path)
    (evaluation / "eval_info.json").write_text("{")
    with pytest.raises(ValueError, match=r"eval_info\.json is truncated or no JSON"):
        write(checkpoint, tmp_path / "upload", evaluation)


def test_films_too_large_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluation_dir, "MOST_MEGABYTES", 1e-5)
    films = [tmp_path / f"eval_episode_{episode}.mp4" for episode in range(7)]
    for film in films:
        film.write_bytes(b"x" * (11 if film is films[0] else 9))
    info = {"per_task": [{"metrics": {"successes": [True, True, False, False, False, True, False]}}]}
    chosen = evaluation_dir.choose_films(films, info)
    assert chosen == [films[1], films[2], films[3], films[5]]
    assert evaluation_dir.choose_films(films, {}) == films[1:5]
    only_failures = {"per_task": [{"metrics": {"successes": [False] * 7}}]}
    assert evaluation_dir.choose_films(films, only_failures) == films[1:5]


def test_the_evaluation_beside_the_weights_is_found(no_connections, checkpoint, evaluation, tmp_path):
    """outputs/eval for the weights of outputs/run, if it says that it is about them."""
    silent = publisher()
    silent.write(checkpoint, tmp_path / "without")
    assert not (tmp_path / "without" / "report.json").exists()
    said = " ".join(silent.console.file.getvalue().split())
    assert f"{evaluation} is not used" in said and "does not say which weights" in said

    add_report(evaluation, weights_digest(local_checkpoint(checkpoint)))
    found = publisher()
    found.write(checkpoint, tmp_path / "with")
    assert json.loads((tmp_path / "with" / "report.json").read_text())["episodes"] == 6
    assert f"evaluation of these weights: {evaluation}" in " ".join(found.console.file.getvalue().split())

    publisher(no_eval=True).write(checkpoint, tmp_path / "none")
    assert not (tmp_path / "none" / "report.json").exists()
    with pytest.raises(FileNotFoundError, match="not the output of an evaluation"):
        publisher(eval_dir=tmp_path / "none").write(checkpoint, tmp_path / "given")
