"""The benchmark of kept features runs, and its ratio is that of its rates."""

import json

import pytest

from benchmarks import frozen
from benchmarks.frozen import ANEW, KEPT


def test_it_runs_and_only_one_side_keeps_features(tmp_path, monkeypatch):
    seen = {}
    rounds = frozen._rounds
    monkeypatch.setattr(frozen, "_rounds", lambda *args: seen.update(rounds(*args)) or seen)
    frozen.main(["--quick", "--json", str(tmp_path / "frozen.json")])
    result = json.loads((tmp_path / "frozen.json").read_text())
    assert result["quick"] and result["kept"]["computed"] < result["kept"]["looked"] == 3 * 2 * 2 * 2
    assert [run["looked"] for run in seen[ANEW]] == [0] and [run["looked"] for run in seen[KEPT]] == [24]
    for part in ("first", "later"):
        rates = {who: values["median"] for who, values in result[part]["updates_per_s"].items()}
        assert rates.keys() == {KEPT, ANEW} and min(rates.values()) > 0
        assert result[part]["ratio"]["median"] == pytest.approx(rates[KEPT] / rates[ANEW])
