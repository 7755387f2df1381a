"""The benchmark of likelihoods, on made-up demonstrations: its chunks are what they say, and it writes all figures."""

import json

import numpy as np
import pytest
import torch

from benchmarks import likelihood
from benchmarks.human_chunks import FOREIGN, POLICY, auroc, human_chunks
from lerobot_dp_plus import load_policy

LENGTHS = (40, 30, 50)


@pytest.fixture
def human(tmp_path):
    """Agents that walk on lines of their own, actions that are where they will be."""
    rng = np.random.default_rng(0)
    states, actions = [], []
    for length in LENGTHS:
        walk = rng.uniform(100, 400, 2) + np.arange(length + 1)[:, None] * rng.uniform(-2, 2, 2)
        block = np.tile(rng.uniform(150, 350, 3), (length, 1))
        states.append(np.concatenate([walk[:-1], block], 1))
        actions.append(walk[1:])
    file = tmp_path / "human.npz"
    np.savez(
        file,
        state=np.concatenate(states).astype("f4"),
        action=np.concatenate(actions).astype("f4"),
        episode_ends=np.cumsum(LENGTHS),
    )
    return file


def test_foreign_chunks_are_what_they_say(human) -> None:
    loaded = load_policy(POLICY)
    chunks = human_chunks(loaded, 20, file=human).chunks
    units = loaded.policy._averaged_model.units
    pixels = {name: units.physical("action", value) for name, value in chunks.items()}
    assert set(pixels) == {"own", *FOREIGN} and {value.shape for value in pixels.values()} == {(20, 8, 2)}
    torch.testing.assert_close(pixels["reversed"], pixels["own"].flip(1))
    length = (pixels["shift_15"] - pixels["own"]).norm(dim=-1)
    torch.testing.assert_close(length, torch.full_like(length, 15.0), rtol=1e-3, atol=1e-2)
    for size in (3, 10):
        assert (pixels[f"noise_{size}"] - pixels["own"]).std() == pytest.approx(size, rel=0.15)
    # All steps of a chunk are on a line, at the policy's stride of two frames, and a foreign one is of another line.
    steps = pixels["own"].diff(dim=1)
    torch.testing.assert_close(steps, steps[:, :1].expand_as(steps), rtol=0, atol=1e-2)
    assert ((pixels["other"].diff(dim=1)[:, 0] - steps[:, 0]).norm(dim=-1) > 1e-2).all()
    torch.testing.assert_close(pixels["moved"].diff(dim=1), pixels["other"].diff(dim=1), rtol=0, atol=1e-2)
    # The first action is one of the step before: where the agent is, less one frame of its walk.
    gap = (pixels["moved"][:, 0] - pixels["own"][:, 0]).norm(dim=-1)
    assert (gap < 8).all() and ((pixels["other"][:, 0] - pixels["own"][:, 0]).norm(dim=-1) > 8).any()


def test_the_area_under_the_curve() -> None:
    assert auroc(torch.tensor([2.0, 3.0]), torch.tensor([0.0, 1.0])) == 1
    assert auroc(torch.tensor([1.0, 3.0]), torch.tensor([1.0, 2.0])) == pytest.approx((0.5 + 0 + 1 + 1) / 4)


def test_it_measures_what_it_says(human, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(likelihood, "S_MIN", (0.1,))
    monkeypatch.setattr(likelihood, "DRAWS", (4,))
    assert likelihood.main([f"--human={human}", "--count=6", f"--json={tmp_path / 'found.json'}"]) == 0
    found = json.loads((tmp_path / "found.json").read_text())
    (row,) = found["convergence"]
    assert row["s_min"] == 0.1 and row["steps"] == 16 and row["ms_exact"] > row["ms_signs"] > 0
    assert [line["judge"] for line in found["told_apart"]] == [
        *("log p, s_min 0.1, 1 of signs", "log p, s_min 0.1, 2 of signs", "log p, s_min 0.05, exact"),
        *("-imitation, x0, 4 draws", "-imitation, x1, 4 draws"),
    ]
    assert all(0 <= line[kind] <= 1 for line in found["told_apart"] for kind in FOREIGN)
    assert "the demonstrator's chunk against" in capsys.readouterr().out
