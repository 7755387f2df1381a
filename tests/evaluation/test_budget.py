"""What fits a control rate: which settings are tried, what is measured, and what is advised."""

import json
from pathlib import Path

import pytest

from lerobot_dp_plus.cli import main
from lerobot_dp_plus.evaluation import budget
from lerobot_dp_plus.evaluation.budget import Row, advice, best, measured, settings, table
from lerobot_dp_plus.policies.acting import load_switched

FORMAT = Path(__file__).parent.parent / "checkpoints" / "format_3"
CARD = Path(__file__).parents[2] / "hub_cards" / "pusht_state"


def row(calls: int | None, candidates: int, ms: float, hz: float = 10.0, length: int = 8) -> Row:
    delay = -int(-ms * hz // 1000)
    return Row(calls, candidates, ms, ms, delay, length // 2 * 1000 / ms)


def test_every_setting_is_tried_that_the_policy_can_have() -> None:
    plain = load_switched(FORMAT / "dp_plus_transformer").policy.config
    assert settings(plain, [1, 2], [1, 4]) == [[], ["--sampler.num_steps=1"], ["--sampler.num_steps=2"]]
    ranked = load_switched(CARD).policy.config
    assert settings(ranked, [2], [1, 4]) == [
        [],
        ["--sampler.num_steps=2", "--selection.type=first"],
        ["--sampler.num_steps=2", "--selection.num_candidates=4"],
    ]


def test_the_time_of_each_is_its_own(monkeypatch) -> None:
    """With a clock that counts network calls: two calls take twice as long as one, whatever the machine does."""

    def counted(loaded, seen) -> float:
        assert set(seen) == set(loaded.policy.config.observed_features)
        return loaded.policy.config.sampler.num_steps * 0.01

    monkeypatch.setattr(budget, "seconds_of", counted)
    found = {each.calls: each for each in measured(FORMAT / "dp_plus_transformer", [], 50.0, [1, 4], [1], 3)[0]}
    assert found[1].median_ms == pytest.approx(10) and found[4].p90_ms == pytest.approx(40)
    assert found[1].delay == 1 and found[4].delay == 2, "10 and 40 ms of steps that last 20"
    length = load_switched(FORMAT / "dp_plus_transformer").policy.config.chunk_length
    assert found[4].most_hz == pytest.approx(length // 2 * 25)


def test_of_what_fits_candidates_count_first_and_then_calls() -> None:
    rows = [row(10, 1, 50), row(2, 4, 60), row(5, 4, 90), row(10, 16, 200)]
    assert best(rows, 100) == rows[2] and best(rows, 70) == rows[1] and best(rows, 55) == rows[0]
    assert best(rows, 10) is None


def test_the_advice_is_legal_and_says_what_does_not_fit() -> None:
    config = load_switched(CARD).policy.config  # chunks of 7 steps, 6 executed
    said = advice(row(8, 16, 150), config, 10.0, 350.0)
    assert "a chunk is 2 steps late" in said and "n_action_steps may be 2 to 5" in said
    flags = [each.replace("--policy.", "--") for each in said.split() if each.startswith("--policy.")]
    assert load_switched(CARD, flags).policy.config.n_action_steps == 5
    assert "Nothing fits into 350 ms" in advice(None, config, 10.0, 350.0)
    assert "Nothing fits" in advice(row(8, 16, 390), config, 10.0, 500.0), "4 steps late, and chunks have 7"
    lines = table([row(8, 16, 390), row(2, 1, 30)], 7, 100.0).splitlines()
    assert "chunks of 7 steps do not reach over a delay of 4" in lines[1] and lines[2].endswith("yes")


def test_the_command(tmp_path, capsys) -> None:
    place = tmp_path / "rows.json"
    line = ["budget", str(FORMAT / "dp_plus_transformer"), "--hz=20", "--calls", "1", "--repeats=1", f"--json={place}"]
    assert main(line) == 0
    said = capsys.readouterr().out
    assert "the first row is as it is saved" in said and "candidates" in said
    rows = json.loads(place.read_text())
    assert rows[-1]["calls"] == 1 and all(each["median_ms"] > 0 for each in rows)
    for flag, said in (
        ("--hz=0", "--hz=0.0: must be above 0"),
        ("--repeats=0", "--repeats=0"),
        ("--hzz=3", "--hzz=3: no option"),
    ):
        assert main(["budget", str(FORMAT / "dp_plus_transformer"), flag]) == 1
        assert said in capsys.readouterr().err
