"""ALOHA's recordings: what comes back through LeRobot is what was recorded, or nothing is there."""

import json
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
import pytest
from convert_helpers import nothing_left, psnr, read_back, scene
from PIL import Image

from lerobot_dp_plus.demos.convert import main
from lerobot_dp_plus.demos.converters import common
from lerobot_dp_plus.demos.converters.aloha_hdf5 import MOTORS

LENGTHS = {2: 3, 10: 5}  # number of the recording -> frames; 10 sorts before 2 as text
CAMERAS = ("top", "angle")


def record(number: int, length: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(number)
    return {
        "observations/qpos": rng.normal(size=(length, 14)),
        "observations/qvel": rng.normal(size=(length, 14)),
        "action": rng.normal(size=(length, 14)),
        **{f"observations/images/{camera}": scene(length, number + at) for at, camera in enumerate(CAMERAS)},
    }


def write(folder: Path, change=lambda record: record, only: int | None = None) -> Path:
    """Recordings as ACT's record script writes them; `change` applies to number `only`, or to all."""
    folder.mkdir()
    for number, length in LENGTHS.items():
        arrays = record(number, length)
        if only in (None, number):
            arrays = change(arrays)
        with h5py.File(folder / f"episode_{number}.hdf5", "w") as file:
            file.attrs["sim"] = True
            for key, values in arrays.items():
                chunks = (1, *values.shape[1:]) if values.ndim > 1 and key.startswith("observations/images") else None
                file.create_dataset(key, data=values, chunks=chunks)
    return folder


def compress(record: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """As ALOHA's compress_data: JPEG rows padded to the longest, lengths by camera in the cameras' own order."""
    packed, lengths = dict(record), []
    for camera in CAMERAS:
        rows = []
        for frame in record[f"observations/images/{camera}"]:
            buffer = BytesIO()
            Image.fromarray(frame).save(buffer, "JPEG", quality=90)
            rows.append(np.frombuffer(buffer.getvalue(), np.uint8))
        lengths.append([len(row) for row in rows])
        padded = np.zeros((len(rows), max(map(len, rows)) + 100), np.uint8)
        for row, target in zip(rows, padded, strict=True):
            target[: len(row)] = row
        packed[f"observations/images/{camera}"] = padded
    return packed | {"compress_len": np.array(lengths, np.float32)}


def convert(source: Path, root: Path, *options: str) -> int:
    return main(["aloha-hdf5", str(source), "--root", str(root), "--task", "hand the cube over", *options])


def recorded(key: str) -> np.ndarray:
    return np.concatenate([record(number, length)[key] for number, length in LENGTHS.items()])


@pytest.mark.parametrize("spool", [False, True])
def test_pictures_and_numbers_arrive(tmp_path, monkeypatch, spool):
    if spool:  # as a long episode is
        monkeypatch.setattr(common, "SPOOL_BYTES", 1000)
        monkeypatch.setattr(common, "BLOCK", 2)
    source = write(tmp_path / "raw")
    assert convert(source, tmp_path / "out", "--no-video", "--qvel") == 0
    dataset, columns = read_back(tmp_path / "out")
    assert (dataset.num_episodes, dataset.fps, dataset.meta.robot_type) == (2, 50, "aloha")
    assert columns["episode_index"].tolist() == [0] * 3 + [1] * 5
    assert dataset[0]["task"] == "hand the cube over"
    assert dataset.meta.features["observation.state"]["names"] == MOTORS
    for key, feature in {"qpos": "observation.state", "qvel": "observation.velocity"}.items():
        np.testing.assert_array_equal(columns[feature], recorded(f"observations/{key}").astype(np.float32))
    np.testing.assert_array_equal(columns["action"], recorded("action").astype(np.float32))
    for camera in CAMERAS:
        np.testing.assert_array_equal(
            columns[f"observation.images.{camera}"], recorded(f"observations/images/{camera}")
        )
    note = json.loads((tmp_path / "out" / "conversion.json").read_text())
    assert note["files"] == ["episode_2.hdf5", "episode_10.hdf5"]
    assert nothing_left(tmp_path, source, tmp_path / "out")


def test_video_stays_close(tmp_path):
    source = write(tmp_path / "raw")
    convert(source, tmp_path / "out")
    dataset, columns = read_back(tmp_path / "out")
    assert dataset.meta.video_keys == [f"observation.images.{camera}" for camera in sorted(CAMERAS)]
    assert "observation.velocity" not in columns
    for camera in CAMERAS:
        pairs = zip(columns[f"observation.images.{camera}"], recorded(f"observations/images/{camera}"), strict=True)
        assert min(psnr(*pair) for pair in pairs) > 30


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_compressed_pictures(tmp_path, order):
    def change(record: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if order == "bgr":  # as cv2.imencode leaves RGB
            record = record | {
                f"observations/images/{c}": record[f"observations/images/{c}"][..., ::-1] for c in CAMERAS
            }
        return compress(record)

    source = write(tmp_path / "raw", change)
    convert(source, tmp_path / "out", "--no-video", "--jpeg-order", order)
    _, columns = read_back(tmp_path / "out")
    for camera in CAMERAS:
        pairs = zip(columns[f"observation.images.{camera}"], recorded(f"observations/images/{camera}"), strict=True)
        assert min(psnr(*pair) for pair in pairs) > 30


def without(*keys: str):
    return lambda record: {key: values for key, values in record.items() if key not in keys}


def cut(key: str, length: int):
    return lambda record: record | {key: record[key][:length]}


def put(key: str, make):
    return lambda record: record | {key: make(record[key])}


TOP = "observations/images/top"
BAD = {
    "no state": (without("observations/qpos"), r"observations/qpos is missing; beside it are \['images', 'qvel'\]"),
    "no action": (without("action"), "action is missing"),
    "no cameras": (without(TOP, "observations/images/angle"), "observations/images is missing or empty"),
    "a camera fewer": (without(TOP), "all episodes of a dataset must agree"),
    "short action": (cut("action", 4), r"same number of frames; got .*'action': 4"),
    "short camera": (cut(TOP, 4), r"same number of frames; got .*'observations/images/top': 4"),
    "no frames": (cut("action", 0), "action has shape .*at least one frame"),
    "NaN": (put("action", lambda v: np.where(v == v[2, 3], np.nan, v)), "action holds 1 NaN .* first in frame 2"),
    "integers": (put("action", lambda v: v.astype(np.int32) + 2**24), "action holds the whole number 167"),
    "complex": (put("action", lambda v: v + 0j), "action has dtype complex128; legal are"),
    "text": (put("action", lambda v: np.full(v.shape, b"a")), "action has dtype .*legal are numbers, never objects"),
    "other width": (put("action", lambda v: v[:, :7]), "all episodes of a dataset must agree"),
    "other size": (put(TOP, lambda v: v[:, :, :64]), "all episodes of a dataset must agree"),
    "pictures of 16 bits": (put(TOP, lambda v: v.astype(np.uint16)), "top has dtype uint16; legal for pictures"),
    "grey pictures": (put(TOP, lambda v: v[..., :1]), r"legal for pictures is \(T, height, width, 3\)"),
    "half a JPEG": (
        lambda record: (packed := compress(record)) | {TOP: packed[TOP][:, :400]},
        "images/top: frame 0 is no complete JPEG",
    ),
    "other lengths": (
        lambda record: (packed := compress(record)) | {"compress_len": packed["compress_len"] + 1},
        "which no row of compress_len says",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_recordings_are_refused_by_file_and_key(tmp_path, name):
    change, message = BAD[name]
    source = write(tmp_path / "raw", change, only=10)
    with pytest.raises(ValueError, match=message) as caught:
        convert(source, tmp_path / "out", "--no-video")
    assert "episode_10.hdf5" in str(caught.value)
    assert nothing_left(tmp_path, source)


def test_a_damaged_jpeg_is_refused(tmp_path):
    def change(record: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        packed = compress(record)
        packed[TOP][1, 2:40] = 7  # the tables behind the start mark
        return packed

    source = write(tmp_path / "raw", change, only=10)
    with pytest.raises(ValueError, match=r"episode_10\.hdf5: observations/images/top: frame 1 cannot be read"):
        convert(source, tmp_path / "out", "--no-video")
    assert nothing_left(tmp_path, source)


@pytest.mark.parametrize("chunks", [None, (2, 14)])
def test_values_that_were_never_written_are_no_zeros(tmp_path, chunks):
    source = write(tmp_path / "raw")
    with h5py.File(source / "episode_10.hdf5", "a") as file:
        del file["action"]
        partial = file.create_dataset("action", (5, 14), np.float64, chunks=chunks)
        if chunks:
            partial[:2] = 1.0
    with pytest.raises(ValueError, match=r"episode_10\.hdf5: action: .* never written.* cut short"):
        convert(source, tmp_path / "out")
    assert nothing_left(tmp_path, source)


def test_a_truncated_file_is_named(tmp_path):
    source = write(tmp_path / "raw")
    path = source / "episode_10.hdf5"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"episode_10\.hdf5 cannot be read.*truncated"):
        convert(source, tmp_path / "out")
    assert nothing_left(tmp_path, source)


def test_folders_without_recordings(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "demo.hdf5").touch()
    with pytest.raises(ValueError, match=r"holds no episode_\*\.hdf5; it has \['demo\.hdf5'\]"):
        convert(tmp_path / "raw", tmp_path / "out")
    with pytest.raises(ValueError, match=r"demo\.hdf5 is a file; give the folder"):
        convert(tmp_path / "raw" / "demo.hdf5", tmp_path / "out")
