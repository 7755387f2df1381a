"""What is not there is refused in one line, with the way out, and without waiting."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from lerobot_dp_plus.cli import arguments as args
from lerobot_dp_plus.cli import entry, host
from lerobot_dp_plus.cli.errors import UsageError
from lerobot_dp_plus.cli.given import Given, NotThere
from lerobot_dp_plus.cli.sources import OUR_TYPES, nearest, refuse_missing
from lerobot_dp_plus.hub import dataset_lookup
from lerobot_dp_plus.hub.patience import Patience


def make_dataset(root: Path, **features: str) -> Path:
    (root / "meta").mkdir(parents=True)
    info = {"features": {key.replace("__", "."): {"dtype": dtype} for key, dtype in features.items()}}
    (root / "meta" / "info.json").write_text(json.dumps(info))
    return root


def make_checkpoint(folder: Path, **config: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a training, a dataset and a folder that is neither."""
    monkeypatch.chdir(tmp_path)
    make_checkpoint(tmp_path / "outputs/demo/train/checkpoints/last/pretrained_model", type="dp_plus_flow")
    make_dataset(tmp_path / "data/pusht")
    (tmp_path / "outputs/empty").mkdir()
    return tmp_path


def refused(name: str, *given: str) -> str:
    with pytest.raises((NotThere, FileNotFoundError, UsageError)) as caught:
        refuse_missing(name, Given.read(args.translate(given)))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("policy=outputs/demo/trian", ("policy.path='outputs/demo/trian'", "did you mean outputs/demo/train?")),
        ("policy=output/demo/train", ("no such folder", "did you mean outputs/demo/train?")),
        ("--policy.path=./nowhere", ("policy.path='./nowhere'", "no such folder")),
        ("--policy.path=outputs/demo/train", ("holds no config.json", "outputs/demo/train/checkpoints/last")),
        ("policy=outputs/empty", ("policy.path='outputs/empty' holds no config.json",)),
        ("reward_model=some/where/else", ("reward_model.path='some/where/else'", "no such folder")),
        ("config_path=outputs/demo/trian/pretrained_model", ("config_path=", "did you mean outputs/demo/train")),
        ("config_path=recipe.yaml", ("config_path='recipe.yaml' does not exist",)),
        ("policy=dp_plus_transfromer", ("'dp_plus_transfromer'", "Did you mean 'dp_plus_transformer'?")),
        ("--policy.type=dp_plus_flaw", ("'dp_plus_flaw'", "Did you mean 'dp_plus_flow'?")),
    ],
)
@pytest.mark.parametrize("script", ["train", "eval", "rollout"])
def test_a_policy_that_is_not_there(here: Path, script: str, given: str, said: tuple[str, ...]) -> None:
    message = refused(script, given)
    assert all(part in message for part in said), message


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["dataset=data/pushtt/more"], ("dataset='data/pushtt/more'", "did you mean data/pusht?")),
        (["dataset=/data/nowhere/x"], ("dataset='/data/nowhere/x'", "no such folder")),
        (["dataset.root=data/push"], ("dataset.root='data/push' is no folder (did you mean data/pusht?)",)),
        (["dataset.root=outputs/empty"], ("dataset.root='outputs/empty' holds no meta/info.json",)),
        (["dataset.root=data/push", "dataset=local/push"], ("dataset.root='data/push' is no folder",)),
        (["dataset=alice/pusht"], ("'alice/pusht'", "HF_HUB_OFFLINE=1", "dataset=DIR")),
        (["dataset.root=data/new", "dataset=alice/x"], ("dataset.root='data/new' is no folder", "HF_HUB_OFFLINE=1")),
        (["dataset=data/pushy"], ("HF_HUB_OFFLINE=1", "did you mean data/pusht?")),
    ],
)
@pytest.mark.parametrize("script", ["train", "replay"])
def test_a_dataset_that_is_not_there(here: Path, script: str, given: list[str], said: tuple[str, ...]) -> None:
    message = refused(script, *given)
    assert all(part in message for part in said), message


def test_what_is_there_passes(here: Path) -> None:
    for given in (
        ["policy=outputs/demo/train", "dataset=data/pusht"],
        *([f"policy={name}"] for name in (*OUR_TYPES, "diffusion", "act", "dp_plus_of_somebody_else")),
        ["dataset=s3/bucket", "dataset.repo_type=bucket"],
    ):
        refuse_missing("train", Given.read(args.translate(given)))
    refuse_missing("record", Given.read(args.translate(["dataset=alice/to_be_made"])))


def test_our_types_are_those_that_are_registered() -> None:
    from lerobot.configs import PreTrainedConfig

    import lerobot_policy_dp_plus  # noqa: F401

    ours = {name for name in PreTrainedConfig.get_known_choices() if name.startswith("dp_plus_")}
    assert set(OUR_TYPES) == ours


def test_a_folder_is_a_dataset(here: Path) -> None:
    assert args.translate(["dataset=data/pusht"]) == ["--dataset.root=data/pusht", "--dataset.repo_id=local/pusht"]
    # Given by themselves, name and folder are what they say.
    assert args.translate(["dataset=data/pusht", "dataset.root=x"])[0] == "--dataset.repo_id=data/pusht"
    make_dataset(here / "data" / "My Robot (2)")
    assert args.translate(["dataset=data/My Robot (2)"])[1] == "--dataset.repo_id=local/My-Robot-2"
    assert host.defaults("train", ["--policy.push_to_hub=false", "--dataset.root=data/pusht", "--policy.type=act"]) == [
        "--dataset.repo_id=local/pusht"
    ]


def test_a_folder_without_a_dataset_is_refused_by_name(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["train", "policy=dp_plus_flow", "dataset=outputs/empty"]) == 1
    assert capsys.readouterr().err.startswith("error: dataset='outputs/empty' is a folder without meta/info.json")
    assert entry.main(["train", "policy=dp_plus_flow", "dataset=data"]) == 1
    assert "did you mean data/pusht?" in capsys.readouterr().err


def test_through_the_command_line_it_is_one_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for given, status in (
        (["eval", "policy=outputs/demo/trian", "env=pusht"], 1),
        (["train", "policy=dp_plus_flow", "dataset=alice/pusht"], 1),
        (["eval", "policy=alice/policy", "env=pusht"], 1),
        (["eval", "policy=outputs/emtpy", "env=aloha"], 1),
        (["train", "policy=dp_plus_flwo", "dataset=data/pusht"], 2),
    ):
        assert entry.main(given) == status
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("error: "), lines


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody forbids to ask the Hub, and nobody answers there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening: refused
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        yield


def test_without_a_network(here: Path, no_hub: None) -> None:
    message = refused("train", "dataset=alice/pusht")
    assert "cannot be reached" in message and "dataset=DIR" in message


def test_a_silent_hub_is_not_waited_for(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(dataset_lookup, "QUICK", Patience(connect=0.2, silence=0.2))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert "did not answer" in refused("train", "dataset=alice/pusht")


def test_lerobots_own_question_is_answered_alike(no_hub: None) -> None:
    """Scripts whose datasets are not looked for beforehand ask in LeRobot's way, and hear it in one line."""
    from lerobot.datasets import LeRobotDatasetMetadata

    with host.quick_questions(), pytest.raises(dataset_lookup.DatasetUnavailable) as caught:
        LeRobotDatasetMetadata("alice/somewhere")
    assert "'alice/somewhere'" in str(caught.value) and "cannot be reached" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_copy_in_the_cache_is_the_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_LEROBOT_HOME", str(tmp_path))
    snapshot = tmp_path / "hub" / "datasets--alice--pusht" / "snapshots" / "abc"
    make_dataset(snapshot)
    with pytest.raises(dataset_lookup.DatasetUnavailable) as caught:
        dataset_lookup.require_on_hub("alice/pusht")
    assert "dataset=DIR" in str(caught.value), "metadata alone are no copy"
    (snapshot / "data").mkdir()
    with pytest.raises(dataset_lookup.DatasetUnavailable, match=f"--dataset.root={snapshot}"):
        dataset_lookup.require_on_hub("alice/pusht")
    make_dataset(tmp_path / "bob/mine")
    refuse_missing("train", Given(["--dataset.repo_id=bob/mine"], {}))


@pytest.mark.parametrize(
    ("path", "near"), [("data/pushd", "data/pusht"), ("dta/pusht", "data/pusht"), ("data/zzz", None), ("q/w/e", None)]
)
def test_nearest(here: Path, path: str, near: str | None) -> None:
    assert nearest(Path(path)) == near
