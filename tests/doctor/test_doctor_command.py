"""`dp-plus doctor` on recordings on disk, and what a training says of them."""

import json
import logging
import re
import time
from pathlib import Path

import draccus
import numpy as np
import pandas as pd
import pytest
from doctor.conftest import IMAGE, VIDEO, frame
from doctor.made_up_recordings import ACTION, JOINTS, STATE, clean, rebuilt
from lerobot.configs.train import TrainPipelineConfig
from lerobot.datasets import LeRobotDataset

from lerobot_dp_plus.cli import entry
from lerobot_dp_plus.doctor import footage, training
from lerobot_dp_plus.doctor.examine import examined, watched
from lerobot_dp_plus.doctor.finding import Gravity
from lerobot_dp_plus.doctor.recording import of_dataset, read
from lerobot_dp_plus.doctor.suggestion import suggest

DEMOS = Path(__file__).parents[2] / "lerobot_dp_plus" / "assets" / "pusht_demos"


@pytest.fixture(scope="module")
def demos():
    return read(str(DEMOS))


def test_a_folder_is_read_as_it_was_written(recorded: Path) -> None:
    recording = read(str(recorded))
    assert recording.names[STATE] == JOINTS and recording.lengths.tolist() == [90] * 4
    assert recording.tasks == {"close the drawer": [0, 2], "open the drawer": [1, 3]}
    table = pd.concat(pd.read_parquet(file) for file in sorted((recorded / "data").rglob("*.parquet")))
    for key in (STATE, ACTION):
        assert np.array_equal(recording.columns[key], np.stack(table[key].to_numpy()).astype(np.float64))
    assert recording.cameras == {VIDEO: (48, 64, 3), IMAGE: (48, 64, 3)}
    host = LeRobotDataset("made/arm", root=recorded, episodes=[1, 2], video_backend="pyav")
    part = of_dataset(host)
    assert part.episodes.tolist() == [1, 2] and part.tasks.keys() == recording.tasks.keys()
    assert np.array_equal(part.columns[STATE], recording.columns[STATE][90:270])


def test_pictures_that_are_looked_at_are_those_of_their_frames(recorded: Path) -> None:
    recording = read(str(recorded))
    looks = footage.look(recording)
    assert len(looks) == 2 * (4 + 4) and {each.camera for each in looks} == {VIDEO, IMAGE}
    for each in looks:
        if each.camera == IMAGE and each.episode == 3:
            continue
        state = recording.columns[STATE][recording.starts[each.episode] + each.frames]
        wanted = np.stack([frame(one, each.camera) for one in state]).astype(int)
        # A video is not kept to the bit.
        assert np.abs(each.pictures - wanted).mean() < (6 if each.camera == VIDEO else 1e-9), each.camera
    found = [each for each in watched(recording, looks) if each.gravity > Gravity.FINE]
    assert [(each.name, each.facts["camera"], list(each.facts["frozen"])) for each in found] == [
        ("cameras", IMAGE, [3])
    ]


def test_what_is_said_of_the_packaged_demonstrations_is_true(demos) -> None:
    begun = time.process_time()
    found = examined(demos)
    assert time.process_time() - begun < 20, "fifty episodes, let alone five hundred, take seconds"
    told = {each.name: each for each in found if each.gravity > Gravity.FINE}
    assert set(told) == {"episodes", "delay", "ambiguity"}, "three decisions in ten are random candidates"
    lengths = (
        pd.concat(pd.read_parquet(file) for file in (DEMOS / "data").rglob("*.parquet")).groupby("episode_index").size()
    )
    odd = lengths.index[(lengths < lengths.median() / 4) | (lengths > 4 * lengths.median())].tolist()
    assert told["episodes"].facts["odd"] == odd
    # The agent follows its target like a weight on a spring, which takes two steps: an independent look at the same.
    inside = np.diff(demos.episode) == 0
    action, state = (np.diff(demos.columns[key][:, 0]) * inside for key in (ACTION, STATE))
    correlation = [np.corrcoef(action[: len(action) - lag], state[lag:])[0, 1] for lag in range(6)]
    assert told["delay"].facts["steps"] == [int(np.argmax(correlation))] * 2


def test_the_suggested_training_is_one(recorded: Path, demos, tmp_path: Path) -> None:
    recording = read(str(recorded))
    for each, seconds in ((suggest(recording), 1.6), (suggest(demos), 1.6)):
        file = tmp_path / "train.json"
        file.write_text(each.text)
        cfg = draccus.parse(TrainPipelineConfig, str(file), [])
        assert cfg.policy.horizon / (30 if each.frame_bytes else 10) == pytest.approx(seconds)
        assert cfg.policy.n_action_steps * 2 == cfg.policy.horizon
    made = suggest(recording)
    assert made.training["policy"]["words"] == {"type": "ngrams"} and made.frame_bytes == 2 * 48 * 64 * 3 * 360
    assert "network" not in suggest(recording, "dp_plus_unet").training["policy"]
    # A chunk is four times as long as the delay and half as long as short episodes, rounded to what makes tokens.
    assert suggest(clean()).training["policy"]["horizon"] == 48
    assert suggest(clean(delay=18)).training["policy"]["horizon"] == 72
    cameras = {"observation.images.front": (480, 640, 3)}
    assert suggest(clean(60, cameras=cameras)).flags == (), "as small as the policy sees them they fit"
    seen = 120 * 160 * 3
    assert suggest(clean(60, cameras=cameras)).frame_bytes == seen * len(clean(60, cameras=cameras))
    many = {f"observation.images.{number}": (480, 640, 3) for number in range(16)}
    assert suggest(clean(60, cameras=many)).flags == ("cache_dir=cache",)
    brief = rebuilt(clean(), {k: np.arange(k * 150, k * 150 + 48) for k in range(24)})
    assert suggest(brief).training["policy"]["horizon"] == 24


def test_the_command_writes_a_page_a_config_and_all_numbers(recorded: Path, tmp_path: Path, capsys) -> None:
    assert entry.main(["doctor", str(recorded), "--no-measure", "--output", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "Grave (1)" in said and IMAGE in said
    assert f"lerobot train --config_path={tmp_path / 'train.json'}" in said.replace("\n", "")
    page = (tmp_path / "index.html").read_text()
    assert page.count("data:image/png;base64,") == 5
    assert not re.search(r'(src|href)="(?!data:)', page), "the page needs no other file"
    told = json.loads((tmp_path / "doctor.json").read_text())
    assert [each["name"] for each in told["findings"] if each["gravity"] == "grave"] == ["cameras"]
    assert told["suggestion"] == json.loads((tmp_path / "train.json").read_text()) and told["measured"] is None


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--updates", "3"], "updates = 3: must be at least"),
        (["--minutes", "0"], "minutes = 0: must be more than 0"),
    ],
)
def test_what_is_illegal_is_said_in_one_line(flags: list[str], words: str, capsys) -> None:
    assert entry.main(["doctor", str(DEMOS), *flags]) == 1
    said = capsys.readouterr().err
    assert words in said and "Traceback" not in said


def test_an_option_that_is_none_is_a_usage_error(recorded: Path, tmp_path: Path, capsys) -> None:
    flags = ["--no-pictures", "--no-measure", "--output", str(tmp_path), "--policy.horizn=8"]
    assert entry.main(["doctor", str(recorded), *flags]) == 2
    said = capsys.readouterr().err
    assert "--policy.horizn" in said and "Did you mean '--policy.horizon'?" in said and len(said) < 500


def test_a_dataset_that_is_not_there_is_refused_in_one_line(tmp_path: Path, capsys) -> None:
    for command in (
        ["doctor", str(tmp_path)],
        ["offline", str(DEMOS), str(tmp_path)],
        ["doctor", str(tmp_path / "no")],
    ):
        assert entry.main(command) == 1
        said = capsys.readouterr().err.strip()
        assert len(said.splitlines()) == 1 and str(tmp_path) in said, said


def test_a_training_says_the_gravest_and_nothing_twice(recorded: Path, caplog) -> None:
    host = LeRobotDataset("made/arm", root=recorded, video_backend="pyav")
    with caplog.at_level(logging.INFO, training.__name__):
        found = training.tell(host)
    assert [each.name for each in found] == ["episodes"], "tasks are remarked on by the policy itself"
    said = [record.getMessage() for record in caplog.records if record.name == training.__name__]
    assert "There are 4 episodes" in said[0] and f"dp-plus doctor {recorded} says more" in said[1]
    caplog.clear()
    with training.untold():
        training.tell(host)
    assert not [record for record in caplog.records if record.name == training.__name__]


def test_a_dataset_that_cannot_be_examined_stops_no_training() -> None:
    assert training.tell(object()) == []
