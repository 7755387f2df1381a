"""A dataset pushed is the dataset people load, in one commit, and its card says what its files say."""

import argparse
import importlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hub_fixtures import api
from lerobot.datasets import dataset_metadata, lerobot_dataset
from lerobot.datasets.lerobot_dataset import LeRobotDataset

import lerobot_dp_plus
from lerobot_dp_plus.demos import publication, push, pusht
from lerobot_dp_plus.demos.options import add_push_arguments
from lerobot_dp_plus.demos.publication import command_of, push_if_asked
from lerobot_dp_plus.demos.pusht_features import FPS, ROBOT_TYPE, TASK, episode_columns, pusht_features
from lerobot_dp_plus.demos.writer import write_dataset
from lerobot_dp_plus.hub import datasets
from lerobot_dp_plus.hub.dataset_card import render_dataset_card
from lerobot_dp_plus.hub.datasets import push_dataset
from lerobot_dp_plus.hub.patience import HubConflict, HubUnreachable, Patience

NAME = "alice/pusht_expert"
QUICK = Patience(connect=2.0, silence=2.0, tries=2, pause=0.02, give_up=2.0)
ARGUMENTS = {"seed": 7, "disturbed": 0.25, "near": 0.5, "images": True}


def record(steps: int, success: bool) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(steps)
    coverage = np.linspace(0, 1.0 if success else 0.9, steps)
    picture = rng.integers(0, 256, (steps, 96, 96, 3), dtype=np.uint8)
    return {
        "agent": rng.uniform(0, 512, (steps, 2)),
        "block": rng.uniform(0, 3, (steps, 3)),
        "action": rng.uniform(0, 512, (steps, 2)),
        "coverage": coverage,
        "image": picture,
    }


def make(root: Path, lengths: tuple[int, ...], attempted: int) -> Path:
    """A dataset as `demos pusht --images` writes it, whose last episode fails."""
    provenance = {
        "package_version": lerobot_dp_plus.__version__,
        **ARGUMENTS,
        "episodes": len(lengths),
        "attempted": attempted,
        "dropped": attempted - len(lengths),
        "generator": "lerobot_dp_plus.demos.pusht",
    }
    episodes = [episode_columns(record(steps, steps != lengths[-1])) for steps in lengths]
    features = pusht_features(images=True)
    note = json.dumps(provenance)
    write_dataset(
        root,
        "local/x",
        FPS,
        features,
        episodes,
        TASK,
        ROBOT_TYPE,
        extras=lambda folder: (folder / "provenance.json").write_text(note),
    )
    return root


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("datasets")
    return {"first": make(folder / "first", (4, 6, 3), 5), "second": make(folder / "second", (5, 2), 2)}


@pytest.fixture
def root(made, tmp_path) -> Path:
    return shutil.copytree(made["first"], tmp_path / "data")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def stranger(online, tmp_path, monkeypatch):
    """LeRobot with nothing in its caches."""
    for module in (dataset_metadata, lerobot_dataset):
        for name in ("HF_LEROBOT_HOME", "HF_LEROBOT_HUB_CACHE"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, tmp_path / "stranger" / name)
    return online


def assert_same_frames(one: LeRobotDataset, other: LeRobotDataset) -> None:
    assert len(one) == len(other) and one.meta.total_episodes == other.meta.total_episodes
    assert one.meta.features == other.meta.features
    for index in range(len(one)):
        ours, theirs = one[index], other[index]
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            same = torch.equal(value, theirs[key]) if isinstance(value, torch.Tensor) else value == theirs[key]
            assert same, (index, key)


def test_round_trip_by_the_lines_of_the_card(stranger, root) -> None:
    before = contents(root)
    made = push_dataset(root, NAME, license="apache-2.0", patience=QUICK)
    assert made.changed and stranger.titles(NAME, "dataset") == ["3 episodes, 13 frames"]
    assert contents(root) == before
    card = stranger.files(NAME, kind="dataset")["README.md"].decode()
    assert {**before, "README.md": card.encode()} == stranger.files(NAME, kind="dataset")
    assert stranger.repo(NAME, "dataset").tags == {"v3.0": made.commit}

    lines = card.split("```python\n")[1].split("```")[0]
    assert len(lines.strip().splitlines()) == 2
    scope: dict = {}
    exec(lines, scope)
    loaded = scope["dataset"]
    assert root not in loaded.root.parents and loaded.root != root
    assert_same_frames(loaded, LeRobotDataset("local/x", root=root))


def test_the_same_again_makes_no_commit(online, root) -> None:
    first = push_dataset(root, NAME, patience=QUICK)
    sent = len(online.log)
    second = push_dataset(root, NAME, patience=QUICK)
    assert not second.changed and second.commit == first.commit
    assert {request.method for request in online.log[sent:]} == {"GET"}
    assert online.repo(NAME, "dataset").tags == {"v3.0": first.commit}


def test_other_data_replace_them_and_the_tag_follows(stranger, root, made) -> None:
    (root / "meta/old.json").write_text("{}")
    push_dataset(root, NAME, patience=QUICK)
    second = push_dataset(made["second"], NAME, patience=QUICK)
    assert stranger.titles(NAME, "dataset") == ["3 episodes, 13 frames", "2 episodes, 7 frames"]
    assert stranger.repo(NAME, "dataset").tags == {"v3.0": second.commit}
    assert stranger.files(NAME, kind="dataset").keys() == {*contents(made["second"]), "README.md"}
    assert_same_frames(LeRobotDataset(NAME), LeRobotDataset("local/x", root=made["second"]))


def test_pictures_waiting_to_be_stored_and_caches_stay_behind(online, root) -> None:
    for name in ("images/a/frame.png", ".cache/x", "notes.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    push_dataset(root, NAME, patience=QUICK)
    assert {name.split("/")[0] for name in online.files(NAME, kind="dataset")} == {
        "README.md",
        "data",
        "meta",
        "provenance.json",
    }


# The Hub fails: the data stay, and the same call again completes what is missing.


@pytest.mark.parametrize(
    "step", [("POST", "/repos/create"), ("POST", "/preupload/"), ("POST", "/commit/"), ("POST", "/tag/")]
)
def test_a_failure_at_any_step_is_completed_by_the_next_push(online, root, step, capsys) -> None:
    fault = online.fail(*step, status=500)
    before = contents(root)
    assert publication.push(root, NAME, "mit", True, QUICK) == 1
    said = capsys.readouterr().err
    assert "500" in said
    assert (
        f"complete in {root}; push it later: dp-plus demos push {root} --repo-id {NAME} --license mit --private" in said
    )
    assert contents(root) == before
    online.faults.remove(fault)
    assert publication.push(root, NAME, "mit", True, QUICK) == 0
    assert len(online.titles(NAME, "dataset")) == 1
    assert list(online.repo(NAME, "dataset").tags) == ["v3.0"]
    assert online.repo(NAME, "dataset").private


def test_offline(hub, no_connections, root, capsys) -> None:
    assert publication.push(root, NAME, patience=QUICK) == 1
    assert "HF_HUB_OFFLINE is set, so nothing was sent" in capsys.readouterr().err


def test_dead(online, root) -> None:
    online.stop()
    with pytest.raises(HubUnreachable, match="cannot be reached"):
        push_dataset(root, NAME, patience=QUICK)


def test_another_publisher_at_the_same_time(online, root, made) -> None:
    push_dataset(root, NAME, patience=QUICK)

    def meanwhile() -> None:
        online.faults.clear()
        api(online).upload_file(path_or_fileobj=b"x", path_in_repo="data/y.parquet", repo_id=NAME, repo_type="dataset")

    online.fail("POST", "/commit/", calls=(1,), before=meanwhile)
    with pytest.raises(HubConflict, match="another publisher"):
        push_dataset(made["second"], NAME, patience=QUICK)
    assert "data/y.parquet" in online.files(NAME, kind="dataset")


# Commands


def test_a_finished_dataset_is_pushed_by_the_command_that_made_it(online, root, capsys, monkeypatch) -> None:
    monkeypatch.setattr(publication, "push_dataset", quickly(publication.push_dataset))
    arguments = ["--root", str(root), "--episodes", "3", "--seed", "7", "--disturbed", "0.25", "--near", "0.5"]
    assert pusht.main([*arguments, "--images"]) == 0
    assert not online.log
    assert pusht.main([*arguments, "--images", "--push-to-hub", NAME]) == 0
    assert "complete already" in capsys.readouterr().out
    card = online.files(NAME, kind="dataset")["README.md"].decode()
    shown = card.split("```sh\n")[1].split("\n")[0]
    assert shown == "dp-plus demos pusht --root DIR --episodes 3 --seed 7 --disturbed 0.25 --near 0.5 --images"
    assert yaml.safe_load(card.split("---")[1])["license"] == "apache-2.0"
    assert push.main([str(root), "--repo-id", NAME]) == 0
    assert "is there already" in capsys.readouterr().out
    assert len(online.titles(NAME, "dataset")) == 1


def quickly(function):
    return lambda *args, **options: function(*args, **{**options, "patience": QUICK})


@pytest.mark.parametrize("name", ["pusht", "a/b/c", "alice/-x"])
def test_an_illegal_name_is_refused_before_any_work(name, tmp_path, capsys) -> None:
    with pytest.raises(SystemExit):
        pusht.main(["--root", str(tmp_path / "x"), "--push-to-hub", name])
    assert "repo_id = " in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_without_the_option_nothing_is_pushed(no_connections, root) -> None:
    parser = argparse.ArgumentParser()
    add_push_arguments(parser)
    assert push_if_asked(parser.parse_args([]), root) == 0


@pytest.mark.parametrize("generator", publication.COMMANDS)
def test_recorded_commands_use_options_that_exist(generator, capsys) -> None:
    command, options = publication.COMMANDS[generator]
    with pytest.raises(SystemExit):
        importlib.import_module(generator).main(["--help"])
    help_text = capsys.readouterr().out
    assert f"dp-plus demos {command}" in help_text
    assert not [option for option in options if f"--{option} " not in help_text + " "]


def test_the_command_of_an_aloha_dataset() -> None:
    note = {"generator": "lerobot_dp_plus.demos.aloha", "task": "transfer_cube", "episodes": 5, "seed": 0}
    note |= {"camera": "top", "height": 120, "width": 160, "look": "lite", "environment_state": False}
    assert command_of(note) == (
        "dp-plus demos aloha --root DIR --task transfer_cube --episodes 5 --seed 0 --cameras top --resolution 120x160 "
        "--look lite"
    )
    assert command_of({"generator": "theirs"}) is None


# Card


def card(root: Path, **options) -> tuple[dict, str]:
    _, metadata, body = render_dataset_card(root, NAME, **options).split("---\n", 2)
    return yaml.safe_load(metadata), body


def test_card_says_what_the_files_say(root) -> None:
    metadata, body = card(root, license="apache-2.0")
    assert metadata == {
        "license": "apache-2.0",
        "task_categories": ["robotics"],
        "tags": ["LeRobot", "robotics", "lerobot_dp_plus"],
        "configs": [{"config_name": "default", "data_files": "data/*/*.parquet"}],
    }
    assert "3 episodes, 13 frames at 10 fps (0.0 minutes), robot type 2d pointer." in body
    assert TASK in body
    assert "Of 5 attempts 3 were kept and 2 dropped as failures" in body
    assert "In 2 of the 3 episodes here next.success becomes true." in body
    assert "| `observation.image` | image | 96×96×3 | `height` `width` `channel` |" in body
    assert "| seed | 7 |" in body and "| disturbed | 0.25 |" in body
    assert "timestamp |" not in body
    assert card(root, license="apache-2.0") == (metadata, body)


def test_card_without_a_note_or_a_licence(root) -> None:
    (root / "provenance.json").unlink()
    metadata, body = card(root)
    assert "license" not in metadata and "None is stated" in body
    assert "How the data were recorded is not noted" in body and "The command is not recorded." in body
    assert "attempts" not in body


def test_card_of_a_conversion_and_of_hostile_text(root) -> None:
    (root / "provenance.json").unlink()
    note = {"source": "pusht|<b>.zarr", "converter": "lerobot_dp_plus 0.1.0", "left_out": ["img"]}
    (root / "conversion.json").write_text(json.dumps(note))
    _, body = card(root)
    assert r"Converted from pusht\|&lt;b&gt;.zarr by lerobot_dp_plus 0.1.0, every frame compared" in body
    assert r'| left out | \["img"\] |' in body


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: (root / "meta/info.json").unlink(), r"holds no meta/info\.json: it is no LeRobotDataset"),
        (lambda root: (root / "meta/info.json").write_text("{"), r"info\.json is truncated or no JSON"),
        (lambda root: changed(root, codebase_version="v2.1"), r"codebase_version = 'v2\.1'; legal are versions v3\.x"),
        (lambda root: changed(root, total_frames=14), r"counts 14 frames, the files in data/ hold 13"),
        (lambda root: shutil.rmtree(root / "data"), r"counts 13 frames, the files in data/ hold 0"),
        (lambda root: (root / "meta/stats.json").unlink(), r"holds no meta/stats\.json"),
        (lambda root: (root / "data/x.pkl").write_bytes(b"x"), r"data/x\.pkl, which is not uploaded"),
    ],
)
def test_what_is_no_complete_dataset_is_refused_before_anything_is_sent(hub, no_connections, root, spoil, message):
    spoil(root)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        push_dataset(root, NAME, patience=QUICK)
    assert hub.log == []


def changed(root: Path, **values) -> None:
    info = json.loads((root / "meta/info.json").read_text())
    (root / "meta/info.json").write_text(json.dumps({**info, **values}))


def test_the_template_beside_the_cards_is_the_one_in_use() -> None:
    link = Path(__file__).parents[2] / "hub_cards" / "dataset.md.jinja"
    assert link.resolve() == (Path(datasets.__file__).parent / "dataset.md.jinja").resolve()
