"""`dp-plus demos pusht`: the dataset is what was simulated, the same for any workers and after any interruption."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from lerobot.datasets.lerobot_dataset import LeRobotDataset

from lerobot_dp_plus.demos import production, pusht
from lerobot_dp_plus.demos.pusht import main, write_pusht_demos
from lerobot_dp_plus.demos.pusht_episodes import Recipe, generate, render
from lerobot_dp_plus.demos.pusht_features import TASK, episode_columns

# Starts near the goal keep these episodes short.
QUICK = {"near": 1.0, "disturbed": 0.25}


def columns(root) -> dict[str, np.ndarray]:
    table = LeRobotDataset("tests/demos", root=root).hf_dataset.with_format("numpy")
    return {name: np.array(table[name]) for name in table.column_names}


def assert_same(one, two) -> None:
    first, second = columns(one), columns(two)
    assert first.keys() == second.keys()
    for key, column in first.items():
        np.testing.assert_array_equal(column, second[key], err_msg=key)
    assert (one / "provenance.json").read_text() == (two / "provenance.json").read_text()


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    root = tmp_path_factory.mktemp("demos") / "reference"
    write_pusht_demos(root, 4, seed=5, workers=1, **QUICK)
    return root


def test_dataset_is_what_was_simulated(reference):
    dataset = LeRobotDataset("tests/demos", root=reference)
    provenance = json.loads((reference / "provenance.json").read_text())
    assert dataset.num_episodes == provenance["episodes"] == 4
    assert provenance["attempted"] == 4 + provenance["dropped"]
    episodes = [generate(Recipe(seed=5, **QUICK), index)[0] for index in range(provenance["attempted"])]
    kept = [episode_columns(vars(episode)) for episode in episodes if episode is not None and episode.success]
    read = columns(reference)
    for key in kept[0]:
        simulated = np.concatenate([episode[key] for episode in kept])
        np.testing.assert_array_equal(read[key].reshape(simulated.shape), simulated, err_msg=key)
    assert dataset[0]["task"] == TASK
    assert sum(read["next.success"]) == 4


def test_workers_do_not_matter(reference, tmp_path):
    write_pusht_demos(tmp_path / "two", 4, seed=5, workers=2, **QUICK)
    assert_same(tmp_path / "two", reference)


def test_a_killed_run_goes_on_and_gives_the_same(reference, tmp_path, monkeypatch, capsys):
    root = tmp_path / "killed"
    played: list[int] = []
    genuine = pusht.generate_file

    def killed_at_the_third(recipe, index, folder):
        if len(played) == 2:
            raise KeyboardInterrupt
        played.append(index)
        return genuine(recipe, index, folder)

    monkeypatch.setattr(pusht, "generate_file", killed_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        write_pusht_demos(root, 4, seed=5, workers=1, **QUICK)
    monkeypatch.undo()
    folder = tmp_path / ".killed.episodes"
    assert not root.exists()
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("*.npz")}
    assert len(kept) == 2
    (folder / "episode_000002.99.tmp").write_bytes(b"half an episode")

    # Other arguments must not mix with what is kept.
    with pytest.raises(FileExistsError, match="unfinished run"):
        write_pusht_demos(root, 4, seed=6, workers=1, **QUICK)

    # Killed again, while the dataset is being assembled: every episode survives, root still does not exist.
    def killed(record):
        raise KeyboardInterrupt

    monkeypatch.setattr(pusht, "episode_columns", killed)
    with pytest.raises(KeyboardInterrupt):
        write_pusht_demos(root, 4, seed=5, workers=1, **QUICK)
    monkeypatch.undo()
    assert not root.exists()
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    write_pusht_demos(root, 4, seed=5, workers=1, **QUICK)
    assert_same(root, reference)
    assert [path.name for path in tmp_path.iterdir()] == ["killed"]
    assert "4 episodes kept" in capsys.readouterr().out


ORPHANS = """
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from os import getpid, kill
from signal import SIGKILL

from lerobot_dp_plus.demos.episode_files import end_with_parent

if __name__ == "__main__":
    pool = ProcessPoolExecutor(2, mp_context=get_context("spawn"), initializer=end_with_parent)
    list(pool.map(time.sleep, [0.5, 0.5]))
    print(*[process.pid for process in pool._processes.values()], flush=True)
    kill(getpid(), SIGKILL)
"""


def test_workers_end_when_their_parent_is_killed(tmp_path):
    script = tmp_path / "orphans.py"
    script.write_text(ORPHANS)
    # Into a file: an orphan would keep a pipe open, and this test would hang instead of failing.
    with (tmp_path / "pids").open("w") as pids:
        run = subprocess.run([sys.executable, script], stdout=pids, stderr=subprocess.DEVNULL, timeout=60)
    assert run.returncode == -signal.SIGKILL
    workers = [Path("/proc", pid) for pid in (tmp_path / "pids").read_text().split()]
    assert workers
    deadline = time.monotonic() + 10
    while any(_runs(worker) for worker in workers):
        assert time.monotonic() < deadline, "a worker outlives its parent"
        time.sleep(0.1)


def _runs(process: Path) -> bool:
    """Whether a process of /proc is there and not merely waiting to be reaped."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_failures_are_dropped_counted_and_replaced(tmp_path, monkeypatch, capsys):
    def outcomes(play, indices, workers):
        for index in reversed(indices):
            yield index, index not in (0, 3)

    monkeypatch.setattr(production, "_outcomes", outcomes)
    assert production.attempt(len, 3, 1) == {0: False, 1: True, 2: True, 3: False, 4: True}
    monkeypatch.setattr(production, "_outcomes", lambda play, indices, workers: ((i, False) for i in indices))
    with pytest.raises(RuntimeError, match="far too few"):
        production.attempt(len, 3, 1)


def test_images_are_the_rendered_pixels(tmp_path):
    root = tmp_path / "images"
    arguments = [
        "--episodes",
        "1",
        "--root",
        str(root),
        "--images",
        "--near",
        "1",
        "--disturbed",
        "0",
        "--workers",
        "1",
    ]
    assert main(arguments) == 0
    dataset = LeRobotDataset("tests/demos", root=root)
    assert dataset.meta.features["observation.image"]["shape"] == (96, 96, 3)
    episode, start = generate(Recipe(near=1.0, disturbed=0.0), 0)
    pixels = render(start, episode.executed)
    assert len(dataset) == len(pixels)
    for index in (0, len(pixels) // 2, len(pixels) - 1):
        image = dataset[index]["observation.image"].numpy().transpose(1, 2, 0)
        np.testing.assert_array_equal(np.round(image * 255).astype(np.uint8), pixels[index])


def test_bad_input_is_named(reference, tmp_path, capsys):
    def error(*arguments: str) -> str:
        assert main([*arguments]) == 2
        return capsys.readouterr().err

    assert "episodes=0: legal are integers from 1" in error("--root", str(tmp_path / "a"), "--episodes", "0")
    assert "workers=0" in error("--root", str(tmp_path / "a"), "--workers", "0")
    assert "disturbed=2.0" in error("--root", str(tmp_path / "a"), "--disturbed", "2")
    assert "'episodes': 4" in error("--root", str(reference), "--episodes", "3", "--seed", "5")
    (tmp_path / "foreign").mkdir()
    assert "holds no provenance.json" in error("--root", str(tmp_path / "foreign"))
    with pytest.raises(SystemExit):
        main(["--root", str(tmp_path / "a"), "--episode-count", "3"])
    assert "--episode-count" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_a_complete_dataset_is_left_alone(reference, capsys):
    before = (reference / "provenance.json").stat().st_mtime_ns
    write_pusht_demos(reference, 4, seed=5, workers=1, **QUICK)
    assert "complete already" in capsys.readouterr().out
    assert (reference / "provenance.json").stat().st_mtime_ns == before
