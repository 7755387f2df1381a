"""Datasets of several robots as one: what a batch holds, how often each is drawn, and which do not agree."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from lerobot.datasets import EpisodeAwareSampler, LeRobotDataset

from lerobot_dp_plus.loading.agreeing import check_agreement
from lerobot_dp_plus.loading.memory import MemoryDataset
from lerobot_dp_plus.loading.mixture import MixtureDataset, made_dataset
from lerobot_dp_plus.mixtures import Entry
from lerobot_dp_plus.notation import EMBODIMENT

WINDOWS = {"observation.state": [-0.1, 0.0], "action": [0.0, 0.1, 0.2]}
IMAGE = "observation.image"


def made(root: Path, width: int, length: int, picture: bool = False) -> LeRobotDataset:
    """Two episodes of a robot whose states and actions have so many numbers."""
    shapes = {key: (width,) for key in WINDOWS}
    features: dict[str, Any] = {key: {"dtype": "float32", "shape": s, "names": None} for key, s in shapes.items()}
    if picture:
        features[IMAGE] = {"dtype": "image", "shape": (16, 16, 3), "names": ["height", "width", "channels"]}
    dataset = LeRobotDataset.create("made/up", fps=10, features=features, root=root, use_videos=False)
    rng = np.random.default_rng(width)
    for _ in range(2):
        for _ in range(length):
            frame: dict[str, Any] = {key: rng.normal(size=s).astype(np.float32) for key, s in shapes.items()}
            if picture:
                frame[IMAGE] = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            dataset.add_frame({**frame, "task": f"robot {width}"})
        dataset.save_episode()
    dataset.finalize()
    windows = WINDOWS | ({IMAGE: [-0.1, 0.0]} if picture else {})
    return LeRobotDataset("made/up", root=root, delta_timestamps=windows)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[LeRobotDataset]:
    root = tmp_path_factory.mktemp("robots")
    return [made(root / "narrow", 2, 5), made(root / "wide", 3, 10, picture=True)]


STEPS = {"observation.state": 2, "action": 3, IMAGE: 2}
ENTRIES = [Entry("narrow", "x"), Entry("wide", "y")]


@pytest.mark.parametrize("held", [False, True], ids=["LeRobot's loader", "from memory"])
def test_samples_are_those_of_the_parts_padded_with_zeros(parts: list[LeRobotDataset], held: bool) -> None:
    mixture = MixtureDataset(ENTRIES, parts, STEPS)
    if held:
        mixture = mixture.held(MemoryDataset)
    # An epoch has the ten frames of the first twice, then the twenty of the second.
    positions = [13, 25, 2]
    batch = dict(next(iter(torch.utils.data.DataLoader(mixture, batch_sampler=[positions]))))
    assert batch[EMBODIMENT].tolist() == [0, 1, 0] and batch["task"] == ["robot 2", "robot 3", "robot 2"]
    for row, sample in enumerate((parts[0][3], parts[1][5], parts[0][2])):
        for key in WINDOWS:
            width = sample[key].shape[-1]
            torch.testing.assert_close(batch[key][row, :, :width], sample[key], rtol=0, atol=0)
            assert not batch[key][row, :, width:].any()
            assert torch.equal(batch[f"{key}_is_pad"][row], sample[f"{key}_is_pad"])
    torch.testing.assert_close(batch[IMAGE][1], parts[1][5][IMAGE], rtol=0, atol=0)
    assert not batch[IMAGE][[0, 2]].any() and not batch[f"{IMAGE}_is_pad"].any()


def test_a_batch_of_one_robot_has_what_the_others_have(parts: list[LeRobotDataset]) -> None:
    batch = MixtureDataset(ENTRIES, parts, STEPS).batch([0, 1])
    assert batch[IMAGE].shape == (2, 2, 3, 16, 16) and not batch[IMAGE].any()
    assert batch["observation.state"].shape == (2, 2, 3)


def test_lerobots_sampler_draws_every_frame_as_often_as_the_weights_say(parts: list[LeRobotDataset]) -> None:
    mixture = MixtureDataset([Entry("narrow", "x", 3), Entry("wide", "y", 1)], parts, STEPS)
    bounds = (mixture.meta.episodes[f"dataset_{end}_index"] for end in ("from", "to"))
    drawn = mixture.batch(list(EpisodeAwareSampler(*bounds, shuffle=True)))
    robots, counts = np.unique(drawn[EMBODIMENT], return_counts=True)
    assert robots.tolist() == [0, 1] and counts.tolist() == [60, 20]
    for robot, times in ((0, 6), (1, 1)):
        rows = drawn[EMBODIMENT] == robot
        assert set(np.unique(drawn["index"][rows], return_counts=True)[1]) == {times}


def meta(fps: int = 10, **features: dict[str, Any]) -> Any:
    """Metadata of a dataset with an action, and what is given of others."""
    action = {"dtype": "float32", "shape": (2,), "names": ["shoulder", "elbow"]}
    cameras = [key for key, feature in features.items() if feature["dtype"] == "image"]
    stats = {"action": {"min": np.array([-1.0, -2.0]), "max": np.array([1.0, 2.0])}}
    return SimpleNamespace(
        fps=fps, features={"action": action, **features}, camera_keys=cameras, stats=stats, has_language_columns=False
    )


def test_datasets_that_agree_pass() -> None:
    check_agreement({"a": meta(), "b": meta()}, ["a", "b"])


def in_degrees() -> Any:
    other = meta()
    other.stats = {"action": {name: np.rad2deg(value) for name, value in other.stats["action"].items()}}
    return other


def picture(size: int) -> dict[str, Any]:
    return {IMAGE: {"dtype": "image", "shape": (size, size, 3), "names": None}}


@pytest.mark.parametrize(
    ("first", "second", "named"),
    [
        (meta(), meta(fps=30), "b has 30 frames a second, and a has 10"),
        (meta(**picture(96)), meta(**picture(64)), r"observation.image is \(64, 64, 3\) in b and \(96, 96, 3\) in a"),
        (meta(), in_degrees(), "factor of 57.3; are the units the same"),
    ],
)
def test_datasets_that_do_not_agree_are_refused_by_name(first: Any, second: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        check_agreement({"a": first, "b": second}, ["a", "b"])


def test_two_datasets_under_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="a names two datasets"):
        check_agreement({"a": meta()}, ["a", "a"])


@pytest.mark.parametrize(
    ("switch", "value", "named"),
    [
        ("eval_split", 0.5, "dataset.eval_split = 0.5: it is of one dataset"),
        ("episodes", [1], r"dataset.episodes = \[1\]: it is of one dataset"),
        ("env", SimpleNamespace(type="pusht"), "env.type = pusht: .* evaluate after the training"),
    ],
)
def test_switches_of_one_dataset_are_refused(switch: str, value: Any, named: str) -> None:
    data = {"root": None, "episodes": None, "eval_split": 0.0, "streaming": False, "repo_id": "[a,b]"}
    cfg: Any = SimpleNamespace(policy=SimpleNamespace(type="dp_plus_flow"), rename_map={}, env=None)
    cfg.dataset = SimpleNamespace(**{**data, **({switch: value} if switch in data else {})})
    if switch not in data:
        setattr(cfg, switch, value)
    with pytest.raises(ValueError, match=named):
        made_dataset(None, cfg)
