"""Two versions of the code beside each other: turns are fair, ratios are those of neighbours."""

import json
from pathlib import Path
from typing import ClassVar

import pytest

from benchmarks import versions
from benchmarks.common import ROOT


class Side:
    """A version whose tasks take known times, more of them each round."""

    turns: ClassVar[list[tuple[str, str]]] = []

    def __init__(self, checkout: Path) -> None:
        self.name = "after" if checkout == ROOT else "before"
        self.tasks = ["a chunk", "an update"] if self.name == "after" else ["a chunk", "what is gone"]
        self.calls = 0

    def seconds(self, task: str) -> float:
        Side.turns.append((self.name, task))
        self.calls += 1
        return self.calls * (2.0 if self.name == "before" else 1.5)

    def close(self) -> None:
        Side.turns.append((self.name, "end"))


def test_ratios_are_of_neighbours_and_both_sides_begin(monkeypatch, tmp_path, capsys) -> None:
    monkeypatch.setattr(versions, "Side", Side)
    Side.turns = []
    other = tmp_path / "other"
    (other / "hub_cards" / "pusht_state").mkdir(parents=True)
    monkeypatch.setattr(versions.subprocess, "run", lambda *_, **__: type("Done", (), {"stdout": "abc\n"}))
    path = tmp_path / "v.json"
    monkeypatch.setattr(versions, "provenance", lambda path, **more: more)
    assert versions.main([f"--before={other}", "--rounds=4", f"--json={path}"]) == 0
    found = json.loads(path.read_text())
    assert found["before"] == "abc" and set(found["ratio"]) == {"a chunk"}
    assert found["ratio"]["a chunk"]["values"] == [0.75] * 4
    assert found["seconds"]["a chunk"]["before"]["values"] == [4.0, 6.0, 8.0, 10.0], "the first round warms up"
    begins = [name for name, task in Side.turns if task == "a chunk"][::2]
    assert begins == ["after", "before", "after", "before", "after"], "who begins changes"
    assert Side.turns[-2:] == [("before", "end"), ("after", "end")]
    assert "0.750" in capsys.readouterr().out


def test_a_folder_that_is_no_checkout_is_refused(tmp_path, capsys) -> None:
    with pytest.raises(SystemExit):
        versions.main([f"--before={tmp_path}"])
    assert "no checkout of this repository" in capsys.readouterr().err
