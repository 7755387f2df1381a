"""The evaluation beside the weights: found by the weights it names."""

import json
from pathlib import Path

import pytest

from lerobot_dp_plus.publishing.evaluation_beside import find_evaluation

DIGEST = "ab" * 32


@pytest.fixture
def pretrained(tmp_path: Path) -> Path:
    """The last checkpoint of a training in outputs/demo/train, by its link."""
    folder = tmp_path / "outputs/demo/train/checkpoints/000100/pretrained_model"
    folder.mkdir(parents=True)
    (folder.parents[1] / "last").symlink_to("000100")
    return folder.parents[1] / "last" / "pretrained_model"


def evaluated(folder: Path, digest: str | None, episodes: int = 50) -> Path:
    folder.mkdir(parents=True)
    (folder / "eval_info.json").write_text("{}")
    if digest is not None:
        (folder / "report.json").write_text(json.dumps({"weights_sha256": digest, "episodes": episodes}))
    return folder


@pytest.mark.parametrize(
    "place",
    ["eval", "whatever", "train/eval", "train/checkpoints/000100/eval", "train/checkpoints/000100/pretrained_model/e"],
)
def test_in_and_beside_the_training(pretrained: Path, tmp_path: Path, place: str) -> None:
    folder = evaluated(tmp_path / "outputs/demo" / place, DIGEST)
    assert find_evaluation(pretrained, DIGEST) == (folder, [])


def test_of_other_weights_or_none_is_not_used(pretrained: Path, tmp_path: Path) -> None:
    assert find_evaluation(pretrained, DIGEST) == (None, [])
    demo = tmp_path / "outputs/demo"
    other, silent = evaluated(demo / "eval", "cd" * 32), evaluated(demo / "eval2", None)
    (evaluated(demo / "eval3", DIGEST) / "report.json").write_text("{not json")
    found = find_evaluation(pretrained, DIGEST)
    assert found.folder is None
    assert found.others[:2] == [
        (other, "it is about other weights"),
        (silent, "it does not say which weights it is about"),
    ]
    assert "damaged" in found.others[2][1]


def test_of_several_the_one_with_most_episodes(pretrained: Path, tmp_path: Path) -> None:
    demo = tmp_path / "outputs/demo"
    evaluated(demo / "eval", DIGEST, episodes=10)
    large = evaluated(demo / "eval_long", DIGEST, episodes=500)
    evaluated(demo / "train/eval", DIGEST, episodes=50)
    assert find_evaluation(pretrained, DIGEST).folder == large


def test_a_bare_checkpoint_is_looked_through_alone(tmp_path: Path) -> None:
    bare = tmp_path / "policy"
    bare.mkdir()
    evaluated(tmp_path / "eval", DIGEST)
    assert find_evaluation(bare, DIGEST).folder is None
    inside = evaluated(bare / "eval", DIGEST)
    assert find_evaluation(bare, DIGEST).folder == inside
