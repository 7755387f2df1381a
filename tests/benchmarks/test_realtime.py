"""The table of late policies: its rows, its second differences, and a run of it at tiny size."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import realtime
from benchmarks.realtime import NOT_LATE, rows, second_differences

CARD = Path(__file__).parents[2] / "hub_cards" / "pusht_state"


def test_second_differences_across_a_seam_are_told_from_the_others() -> None:
    """A straight line that jumps by 3 where the actions of another chunk begin, between the numbers 3 and 4."""
    actions = np.zeros((8, 2))
    actions[:, 0] = np.arange(8)
    actions[4:, 1] = 3
    at, between = second_differences(actions, [4])
    assert sorted(at) == pytest.approx([3, 3]) and between == pytest.approx([0, 0, 0, 0])


def test_every_delay_has_its_ceiling_and_only_what_fits_is_run() -> None:
    found = rows([0, 2, 4], ["none", "trained"], 9)
    assert (NOT_LATE, 0, 4, True) in found and (NOT_LATE, 0, 8, True) in found
    assert ("none", 2, 2, True) in found and ("trained", 2, 4, True) in found and ("trained", 2, 2, False) in found
    assert ("trained", 4, 4, True) in found and not [row for row in found if row[1:3] == (4, 8)], "12 steps"


def test_the_picture_shows_how_rough_the_seams_are() -> None:
    """One line for the seams and one for what is between them, of every way."""
    share = {"percent": 50.0, "interval_percent": [40.0, 60.0]}
    row = {"success": share, "second_difference_between_px": 20.0}
    result = {
        realtime.title("guided", delay, delay, True): row
        | {"delay": delay, "every": delay, "second_difference_at_seams_px": 20.0 * delay}
        for delay in (1, 2)
    }
    successes, rough = realtime.draw(result).axes
    seams, between = [list(line.get_ydata()) for line in rough.lines]
    assert seams == [20.0, 40.0] and between == [20.0, 20.0]
    assert list(successes.lines[0].get_ydata()) == [50.0, 50.0]


def test_it_runs(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(realtime, "STEPS", 4)
    monkeypatch.setattr(realtime, "TOGETHER", 2)
    place = tmp_path / "found.json"
    line = [f"--policy={CARD}", "--episodes=2", "--delays", "1", "--ways", "none", "guided", f"--json={place}"]
    assert realtime.main(line) == 0
    found = json.loads(place.read_text())["result"]
    assert set(found) == {
        "not late, d = 0, s = 2",
        "not late, d = 0, s = 3",
        *(f"{way}, d = 1, s = {every}" for way in ("none", "guided") for every in (1, 2)),
    }
    assert all(0 < each["score"] <= 1 and each["steps"] == 4 for each in found.values())
    assert place.with_suffix(".png").stat().st_size > 5000
    assert "ms a chunk" in capsys.readouterr().out
    held = json.loads(place.read_text())
    held["result"]["none, d = 1, s = 1"]["score"] = 0.5
    place.write_text(json.dumps(held))
    assert realtime.main([each if each != "guided" else "inpainting" for each in line]) == 0
    more = json.loads(place.read_text())["result"]
    assert more.keys() - found.keys() == {"inpainting, d = 1, s = 1", "inpainting, d = 1, s = 2"}
    assert more["none, d = 1, s = 1"]["score"] == 0.5, "what was measured is kept"
    assert not realtime.kept(place, 3, {}) and not realtime.kept(place, 2, {"first_seed": 7})
