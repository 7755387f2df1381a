"""The sweep of refinements prints what it measured, and a model's promise is of the very chunks that are drawn."""

import json

import pytest

from benchmarks import refining, steering
from benchmarks.common import ROOT

POLICY = str(ROOT / "hub_cards" / "pusht_state")


def test_steps_lower_the_promised_energy_and_a_reach_bounds_the_way() -> None:
    seeds = range(90_000, 90_004)
    little = refining.promised(POLICY, seeds, refining.refined(5, 100.0))
    bounded = refining.promised(POLICY, seeds, refining.refined(5, 10_000.0, reach=0.5))
    assert little["energy_refined"] <= little["energy_drawn"] == bounded["energy_drawn"]
    assert little["moved_px"] > 0 and 0 < bounded["moved_px"] <= 0.5 * 2**0.5 + 1e-3


def test_it_measures(monkeypatch, tmp_path, capsys) -> None:
    path = tmp_path / "refining.json"
    usual = steering.run
    monkeypatch.setattr(steering, "run", lambda made, seeds, placed=None: usual(made, seeds, placed, steps=12))
    rows = ["1 candidate", "1, 1 × 100", "16, mirrored"]
    assert refining.main(["--episodes=2", "--rows", *rows, f"--json={path}"]) == 0
    result = json.loads(path.read_text())["result"]
    assert list(result) == rows and ["moved_px" in each for each in result.values()] == [False, True, False]
    assert result["1, 1 × 100"]["success"]["of"] == 2 and "moved px" in capsys.readouterr().out


def test_every_row_can_be_loaded_by_its_name() -> None:
    with pytest.raises(SystemExit):
        refining.main(["--rows", "none such"])
    assert all(switches["selection"]["type"] in ("first", "lowest_energy") for switches in refining.ROWS.values())
