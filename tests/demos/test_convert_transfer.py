"""A converted dataset appears complete and checked, or not at all; what was there before stays until then."""

import json
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from convert_helpers import nothing_left, read_back, scene
from PIL import Image

from lerobot_dp_plus.demos import writer
from lerobot_dp_plus.demos.convert import main
from lerobot_dp_plus.demos.converters import transfer as transfer_module
from lerobot_dp_plus.demos.converters.common import Recording
from lerobot_dp_plus.demos.converters.transfer import transfer
from lerobot_dp_plus.demos.features import number_feature, picture_feature

LENGTHS = [3, 4]


def recording(source: Path, video: bool = False, change=lambda episode, columns: columns) -> Recording:
    """Numbers and pictures made up; `change` sees what is handed to the writer and to the check."""

    def read(episode: int, scratch: Path) -> dict[str, np.ndarray]:
        length = LENGTHS[episode]
        numbers = np.arange(length * 2, dtype=np.float32).reshape(length, 2) + 100 * episode
        columns = {"observation.state": numbers, "action": -numbers, "observation.image": scene(length, episode)}
        return change(episode, columns)

    features = {
        "observation.state": number_feature(["x", "y"]),
        "action": number_feature(["x", "y"]),
        "observation.image": picture_feature((64, 96, 3), video),
    }
    return Recording(source, 10, "test", features, LENGTHS, read, {key: [key] for key in features})


def write(root: Path, source: Path, overwrite: bool = False, **made) -> dict:
    source.touch()
    return transfer(recording(source, **made), root, repo_id=None, overwrite=overwrite, min_psnr=20)


def test_an_existing_folder_is_refused_before_anything_is_read(tmp_path):
    np.savez(tmp_path / "b.npz", a=1)
    (tmp_path / "out").mkdir()
    with pytest.raises(FileExistsError, match="already exists; choose another folder or pass --overwrite"):
        main(["pusht-npz", str(tmp_path / "b.npz"), "--root", str(tmp_path / "out")])
    with pytest.raises(FileExistsError, match="is no LeRobotDataset, so --overwrite leaves it alone"):
        main(["pusht-npz", str(tmp_path / "b.npz"), "--root", str(tmp_path / "out"), "--overwrite"])
    for root in (tmp_path / "b.npz", tmp_path, tmp_path / "b.npz" / "deep"):
        with pytest.raises(ValueError, match="lie one within the other"):
            main(["pusht-npz", str(tmp_path / "b.npz"), "--root", str(root), "--overwrite"])
    assert nothing_left(tmp_path, tmp_path / "b.npz", tmp_path / "out")


def test_overwriting_keeps_the_old_dataset_until_the_new_one_is_complete(tmp_path):
    root, source = tmp_path / "out", tmp_path / "source"
    write(root, source)
    before = read_back(root)[1]

    def fail(episode, columns):
        if episode == 1:
            raise KeyboardInterrupt
        return columns

    with pytest.raises(KeyboardInterrupt):
        write(root, source, overwrite=True, change=fail)
    after = read_back(root)[1]
    assert all(np.array_equal(before[key], after[key]) for key in before)
    assert nothing_left(tmp_path, root, source)
    write(root, source, overwrite=True, change=lambda _, columns: columns | {"action": columns["action"] * 3})
    np.testing.assert_array_equal(read_back(root)[1]["action"], 3 * before["action"])
    assert nothing_left(tmp_path, root, source)


def change_column(folder: Path, key: str, change) -> None:
    """Rewrite one column of the one table, `change` applied to its list of cells."""
    path = next((folder / "data").rglob("*.parquet"))
    table = pq.read_table(path)
    at = table.column_names.index(key)
    cells = pa.array(change(table[key].to_pylist()), type=table.schema.field(key).type)
    pq.write_table(table.set_column(at, table.schema.field(key), cells), path)


def change_rows(folder: Path, change) -> None:
    path = next((folder / "data").rglob("*.parquet"))
    pq.write_table(change(pq.read_table(path)), path)


def other_number(cells: list) -> list:
    return [*cells[:4], [0.0, cells[4][1]], *cells[5:]]


def other_pixel(cells: list) -> list:
    pixels = np.array(Image.open(BytesIO(cells[2]["bytes"])))
    pixels[0, 0, 0] ^= 1
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return [*cells[:2], {"bytes": buffer.getvalue(), "path": None}, *cells[3:]]


def spoil_statistics(folder: Path) -> None:
    path = folder / "meta" / "stats.json"
    stats = json.loads(path.read_text())
    stats["action"]["max"] = [1e3, 1e3]
    path.write_text(json.dumps(stats))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda folder: change_column(folder, "action", other_number),
            "episode 1: action was not stored as it is in the source, first in frame 1",
        ),
        (
            lambda folder: change_column(folder, "observation.image", other_pixel),
            r"episode 0: observation\.image was not stored .* first in frame 2",
        ),
        (lambda folder: change_rows(folder, lambda table: table[:-1]), "the written table ends 1 rows early"),
        (
            lambda folder: change_rows(folder, lambda table: pa.concat_tables([table, table[-1:]])),
            "more rows than the source has frames",
        ),
        (spoil_statistics, "statistics of action: max is"),
    ],
    ids=["number", "pixel", "row short", "row too many", "statistics"],
)
def test_a_dataset_that_differs_from_its_source_does_not_appear(tmp_path, monkeypatch, spoil, message):
    genuine = transfer_module.compare

    def compare(folder, *arguments):
        spoil(folder)
        return genuine(folder, *arguments)

    monkeypatch.setattr(transfer_module, "compare", compare)
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "out", tmp_path / "source")
    assert nothing_left(tmp_path, tmp_path / "source")


def test_frames_in_another_order_are_noticed_in_video(tmp_path):
    calls = []

    def change(episode, columns):
        calls.append(episode)
        if len(calls) <= len(LENGTHS):  # the writer's turn
            return columns | {"observation.image": columns["observation.image"][::-1].copy()}
        return columns

    with pytest.raises(ValueError, match=r"episode 0, observation\.image: frame \d has .* dB after"):
        write(tmp_path / "out", tmp_path / "source", video=True, change=change)
    assert nothing_left(tmp_path, tmp_path / "source")


def test_what_a_killed_run_left_is_cleared_away(tmp_path):
    (tmp_path / "..out.new.partial").mkdir()
    (tmp_path / ".out.new").mkdir()
    write(tmp_path / "out", tmp_path / "source")
    assert nothing_left(tmp_path, tmp_path / "out", tmp_path / "source")


@pytest.mark.parametrize(("format", "package"), [("zarr", "zarr"), ("aloha-hdf5", "h5py"), ("robomimic", "h5py")])
def test_a_missing_package_is_named_with_its_install_line(tmp_path, monkeypatch, format, package):
    monkeypatch.setitem(sys.modules, package, None)
    source = tmp_path / "raw"
    source.mkdir()
    (source / "episode_0.hdf5").touch()
    task = ["--task", "x"] if format == "aloha-hdf5" else []
    with pytest.raises(
        ValueError, match=rf"needs the package '{package}'.*pip install 'lerobot_policy_dp_plus\[convert\]'"
    ):
        main([format, str(source), "--root", str(tmp_path / "out"), *task])


def test_the_writer_is_the_same_as_everywhere(tmp_path):
    """One writer in the house: what it refuses, the converters refuse."""
    assert transfer_module.write_dataset is writer.write_dataset
    with pytest.raises(ValueError, match=r"observation\.state holds 1 NaN"):

        def change(episode, columns):
            return columns | {
                "observation.state": np.where(columns["observation.state"] == 1, np.nan, columns["action"])
            }

        write(tmp_path / "out", tmp_path / "source", change=change)
    assert nothing_left(tmp_path, tmp_path / "source")
