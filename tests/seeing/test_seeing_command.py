"""`dp-plus see` on recordings on disk: what it writes, what it leaves alone, what it refuses."""

import base64
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from lerobot.datasets import LeRobotDataset
from seeing.drawn_things import ARENA, SIDE, Truth, scene

from lerobot_dp_plus.auxiliary.dynamics.frames import corners_of
from lerobot_dp_plus.demos.features import number_feature, picture_feature
from lerobot_dp_plus.demos.writer import write_dataset
from lerobot_dp_plus.seeing.see import main

IMAGE, STATE, FOUND = "observation.image", "observation.state", "observation.environment_state"
LENGTHS = (40, 50, 38)


def record(root: Path, truth: Truth, cameras: tuple[str, ...] = (IMAGE,)) -> Path:
    """The frames as a recording of three episodes, whose environment_state is nonsense: it must not be believed."""
    features = {
        STATE: number_feature(["x", "y"]),
        "action": number_feature(["x", "y"]),
        FOUND: number_feature([f"{axis}{index}" for index in range(8) for axis in "xy"]),
        **{camera: picture_feature((SIDE, SIDE, 3), video=False) for camera in cameras},
    }
    stops = np.cumsum(LENGTHS)
    assert stops[-1] == len(truth.frames)
    pictures = truth.frames.pictures.movedim(1, -1).numpy()
    episodes = [
        {
            STATE: truth.robots[start:stop].astype(np.float32),
            "action": truth.robots[start:stop].astype(np.float32),
            FOUND: np.full((stop - start, 16), 7.0, np.float32),
            **{camera: pictures[start:stop] for camera in cameras},
        }
        for start, stop in zip(stops - LENGTHS, stops, strict=True)
    ]
    write_dataset(root, "made/things", 10, features, episodes, "push")
    return root


def digest(root: Path) -> str:
    """Of every file of a folder."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(str(path).encode() + path.read_bytes() for path in files)).hexdigest()


@pytest.fixture(scope="module")
def truth() -> Truth:
    return scene(count=sum(LENGTHS))


@pytest.fixture(scope="module")
def written(truth: Truth, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the recording, the copy and the page."""
    folder = tmp_path_factory.mktemp("seen")
    source = record(folder / "source", truth)
    before = digest(source)
    assert main([str(source), "--root", str(folder / "copy"), "--output", str(folder / "page")]) == 0
    assert digest(source) == before, "the recording is as it was"
    return folder


def test_the_copy_has_found_states_and_all_else_as_it_was(truth: Truth, written: Path) -> None:
    source, copy = (LeRobotDataset("made/things", root=written / name) for name in ("source", "copy"))
    assert len(source) == len(copy) and set(source.meta.features) == set(copy.meta.features)
    off = []
    for row in range(0, len(source), 9):
        one, other = source[row], copy[row]
        for key in (IMAGE, STATE, "action", "episode_index", "timestamp"):
            assert torch.equal(one[key], other[key]), key
        origin, angle = torch.tensor(truth.origins[row]).float(), torch.tensor(truth.angles[row]).float()
        off.append((other[FOUND] - corners_of(origin, angle)).view(8, 2).norm(dim=-1).mean())
    assert torch.stack(off).median() < 0.3 * ARENA / SIDE


def test_statistics_are_those_of_found_states(written: Path) -> None:
    """Of the whole and of every episode: nothing is left of what the recording said."""
    copy = LeRobotDataset("made/things", root=written / "copy")
    values = np.stack(copy.hf_dataset.with_format("numpy")[FOUND])
    assert np.allclose(copy.meta.stats[FOUND]["min"], values.min(0), atol=1e-3)
    assert np.allclose(copy.meta.stats[FOUND]["max"], values.max(0), atol=1e-3)
    (file,) = (written / "copy" / "meta" / "episodes").rglob("*.parquet")
    table = pq.read_table(file, columns=[f"stats/{FOUND}/min", "dataset_from_index", "dataset_to_index"]).to_pylist()
    for row in table:
        own = values[row["dataset_from_index"] : row["dataset_to_index"]]
        assert np.allclose(row[f"stats/{FOUND}/min"], own.min(0), atol=1e-3)


def test_the_page_holds_its_pictures_and_its_assumptions(written: Path) -> None:
    page = (written / "page" / "index.html").read_text()
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert len(pictures) == 4
    assert all(base64.b64decode(each).startswith(b"\x89PNG") for each in pictures)
    assert "http" not in page
    assert "its own mirror image" in page and "--config_path=configs/pusht_pixels.json" in page
    note = json.loads((written / "copy" / "seeing.json").read_text())
    assert note["refused"] is None and note["quality"]["explained"] > 0.9


def test_a_refusal_writes_its_page_and_no_copy(tmp_path: Path) -> None:
    source = record(tmp_path / "source", scene(count=sum(LENGTHS), second=True))
    with pytest.raises(
        ValueError, match=r"(?s)one thing moves beside the robot.*state_estimation.type=none.*index.html"
    ):
        main([str(source), "--root", str(tmp_path / "copy"), "--output", str(tmp_path / "page")])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page", "source"]
    page = (tmp_path / "page" / "index.html").read_text()
    assert "one thing moves beside the robot" in page and page.count("data:image/png") == 2


def test_what_cannot_be_looked_at_is_refused_by_name(written: Path, truth: Truth, tmp_path: Path) -> None:
    source, copy = written / "source", written / "copy"
    with pytest.raises(FileExistsError, match=r"root = .*copy exists.*--overwrite"):
        main([str(source), "--root", str(copy)])
    with pytest.raises(ValueError, match="the recording itself"):
        main([str(source), "--root", str(source), "--overwrite"])
    with pytest.raises(ValueError, match=r"camera = 'front'.*observation.image"):
        main([str(source), "--root", str(tmp_path / "copy"), "--camera", "front"])
    both = record(tmp_path / "both", truth, cameras=("observation.images.a", "observation.images.b"))
    with pytest.raises(ValueError, match=r"--camera says which"):
        main([str(both), "--root", str(tmp_path / "copy")])
    assert not (tmp_path / "copy").exists()
