"""What `benchmarks.baselines` measures with."""

import json

import numpy as np
import pytest

from benchmarks import baselines
from benchmarks.judged import Trained
from benchmarks.obstacle_scenes import run
from lerobot_dp_plus import load_policy

POLICY = baselines.ROOT / "hub_cards" / "pusht_state"
#: What a head needs, or is given, beside the others.
OWN = ("type", "objective.", "dynamics.")


def fields(command: list[str]) -> dict[str, str]:
    """The flags of a training, but those that a head may have of its own."""
    told = dict(flag.removeprefix("--").split("=", 1) for flag in command if flag.startswith("--"))
    return {key: value for key, value in told.items() if not key.removeprefix("policy.").startswith(OWN)}


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Measures the policy that comes along in place of every training, in episodes of a few steps; which were trained."""
    trained = []

    def train_once(name, command, seed, folder):
        trained.append((name, command))
        return Trained(POLICY, name, 60.0, "of a test")

    monkeypatch.setattr(baselines, "train_once", train_once)
    monkeypatch.setattr(baselines, "episodes", lambda made, seeds, together: (run(made, seeds, steps=3)[0], 1.0))
    file = tmp_path / "found.json"

    def measure(*contenders: str):
        sizes = ("--episodes=2", "--forks=3", "--candidates=10", f"--folder={tmp_path / 'kept'}", f"--json={file}")
        assert baselines.main([f"--root={tmp_path}", *sizes, "--contenders", *contenders]) == 0
        return json.loads(file.read_text())["rows"], trained, file

    return measure


def test_contenders_are_alike_but_for_their_heads(tmp_path) -> None:
    options = baselines.argparse.Namespace(root=tmp_path, seed=1, updates=7, batch_size=3)
    commands = {name: each.command(options) for name, each in baselines.CONTENDERS.items()}
    assert len({json.dumps(fields(command), sort_keys=True) for command in commands.values()}) == 1
    assert len({each.type for each in baselines.CONTENDERS.values()}) == 5
    assert fields(commands["regression"])["policy.network.type"] == "transformer"


def test_a_row_has_its_figures_and_is_kept(measured, monkeypatch) -> None:
    rows, trained, file = measured("diffusion", "diffusion, chosen of 16")
    assert [row["name"] for row in rows] == ["diffusion", "diffusion, chosen of 16"]
    assert {name for name, _ in trained} == {"dp_plus_transformer"}, "one training serves both"
    for row in rows:
        assert (row["success"]["of"], row["both_ways"]["of"], row["minutes"], row["steps"]) == (2, 3, 1.0, 3)
        assert 0 <= row["middle_percent"] <= 100 and row["latency_ms"] > 0 and row["jerk_px"] >= 0
    assert file.with_suffix(".png").stat().st_size > 5000
    monkeypatch.setattr(baselines, "episodes", None)  # it would be called again
    assert measured("diffusion", "diffusion, chosen of 16")[0] == rows


def test_ways_and_the_middle_are_told_apart(monkeypatch) -> None:
    """Three chunks along the line, four to one side and one to the other, at every fork."""
    steps = np.linspace(0, 1, 5)[:, None]
    line, way = np.array([200.0, 312.0]) + steps * [50, -50], np.array([200.0, 312.0]) + steps * [40, 40]
    chunks = np.stack([line + 1, line - 1, line + 2, *[way] * 4, 2 * line - way])
    monkeypatch.setattr(baselines, "fork_chunks", lambda *_: chunks)
    found = baselines.at_forks(None, baselines.argparse.Namespace(forks=2, candidates=8))
    assert found["middle_percent"] == 100 * 3 / 8
    assert found["both_ways"]["count"] == 2, "two and six of eight are a fifth each"
    monkeypatch.setattr(baselines, "fork_chunks", lambda *_: chunks[3:])
    assert baselines.at_forks(None, baselines.argparse.Namespace(forks=2, candidates=5))["both_ways"]["count"] == 2
    monkeypatch.setattr(baselines, "fork_chunks", lambda *_: chunks[3:7])
    assert baselines.at_forks(None, baselines.argparse.Namespace(forks=2, candidates=4))["both_ways"]["count"] == 0


def test_chunks_at_a_fork_are_the_same_in_every_call() -> None:
    made = load_policy(POLICY)
    assert np.array_equal(*(baselines.fork_chunks(made, 100000, 4) for _ in range(2)))
