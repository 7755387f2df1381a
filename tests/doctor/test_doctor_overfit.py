"""A few real updates are timed, and one episode is learned, or not if there is nothing to learn it from."""

import re
from pathlib import Path

from offline.conftest import SMALL, states  # noqa: F401  (a fixture)

from lerobot_dp_plus.cli import entry


def test_one_episode_is_learned(states: Path, tmp_path: Path, capsys) -> None:  # noqa: F811
    flags = ["--no-pictures", "--overfit", "--episode", "2", "--updates", "200", "--output", str(tmp_path)]
    assert entry.main(["doctor", str(states), *flags, *SMALL]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert re.search(r"[\d.]+ updates a second here \(\d+ timed, batch 32, 0\.\d million weights, cpu", said)
    assert "Overfit: 200 updates on episode 2" in said and "--episodes 2" in said
    found = re.search(r"one draw is off by ([\d.]+) %", said)
    assert found and float(found[1]) < 10 and "It can learn this episode" in said


def test_an_episode_that_is_not_there_is_refused(states: Path, capsys) -> None:  # noqa: F811
    assert entry.main(["doctor", str(states), "--no-pictures", "--overfit", "--episode", "9", *SMALL]) == 1
    assert "episode = 9" in capsys.readouterr().err
