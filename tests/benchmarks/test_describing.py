"""The benchmark of descriptions, at tiny size: who repeats what was done is always right, who says one thing is right as often as it is so."""

import json
from types import SimpleNamespace

import numpy as np

from benchmarks import describing
from lerobot_dp_plus.demos.blocks_episodes import Recipe, generate

RECIPE = Recipe(seed=7, images=True, size=16)


class Parrot:
    """Says what it is told to, of observations it knows by their state."""

    def __init__(self, say):
        self.say, self.policy = say, SimpleNamespace(config=SimpleNamespace(input_features={"observation.state": None}))

    def describe(self, observation: dict, task: str) -> list[str]:
        assert task and set(observation) == {"observation.state"}
        return [self.say(row) for row in observation["observation.state"]]


def test_who_says_what_was_done_is_right_and_who_says_one_thing_as_often_as_it_is_so() -> None:
    record = generate(RECIPE, 0)
    told = {tuple(row): part for row, part in zip(record["state"], record["subtask"], strict=True)}
    assert describing.described(Parrot(lambda row: told[tuple(row)]), RECIPE, 0)[1:] == (1.0, 1.0)
    carried = float(np.mean([part.startswith("carry") for part in record["subtask"]]))
    assert 0 < carried < 1
    assert describing.described(Parrot(lambda row: "carry it"), RECIPE, 0)[1:] == (0.0, carried)


def test_it_writes_both_kinds_of_sentences(monkeypatch, tmp_path, capsys) -> None:
    monkeypatch.setattr(describing, "load_policy", lambda _: Parrot(lambda row: "let go"))
    file = tmp_path / "found.json"
    assert describing.main(["nowhere", "--episodes", "6", "--json", str(file)]) == 0
    table = json.loads(file.read_text())["table"]
    assert sum(each["episodes"] for each in table.values()) == 6 and set(table) <= set(describing.KINDS)
    assert "frames told right" in capsys.readouterr().out
