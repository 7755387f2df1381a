"""What makes episodes harder does what it says, and nothing at level 0."""

import json
from pathlib import Path

import pytest
import torch
from pytest import approx

from lerobot_dp_plus.cli import entry
from lerobot_dp_plus.evaluation.perturbing import (
    PERTURBATIONS,
    ActionNoise,
    Brightness,
    Delay,
    DroppedFrames,
    ObservationNoise,
    parsed,
)

STATE = Path(__file__).parents[2] / "hub_cards" / "pusht_state"
STATES, PICTURE = "observation.state", "observation.image"


def frames(count: int, batch: int = 400) -> list[dict]:
    return [{STATES: torch.full((batch, 3), float(i)), "task": [""] * batch} for i in range(count)]


def test_noise_has_the_stated_size_and_is_the_same_again() -> None:
    clean = {STATES: torch.zeros(5000, 3), PICTURE: torch.ones(2, 3, 4, 4), "task": [""]}
    noisy = ObservationNoise(0.3).begin(7).seen(clean)
    assert noisy[STATES].std() == approx(0.3, rel=0.05) and noisy[PICTURE] is clean[PICTURE]
    assert torch.equal(noisy[STATES], ObservationNoise(0.3).begin(7).seen(clean)[STATES])
    act = ActionNoise(0.2).begin(1)
    assert act.decided(torch.zeros(5000, 2)).std() == approx(0.2, rel=0.05) and act.seen(clean) is clean
    before = torch.get_rng_state()
    ObservationNoise(1).begin(0).seen(clean)
    assert torch.equal(before, torch.get_rng_state()), "the policy's random numbers stay as they are"


def test_late_and_lost_frames() -> None:
    late = Delay(2).begin(0)
    assert [float(late.observed(each)[STATES][0, 0]) for each in frames(6)] == [0, 0, 0, 1, 2, 3]
    lossy = DroppedFrames(0.25).begin(0)
    shown = torch.stack([lossy.observed(each)[STATES][:, 0] for each in frames(40)])  # (steps, episodes)
    age = torch.arange(40.0)[:, None] - shown
    assert (age[0] == 0).all() and (age[1:] > 0).float().mean() == approx(0.25, abs=0.02)
    # A frame is two steps old after two losses: 1/16 of the time, and two or more in a row.
    assert (age[2:] >= 2).float().mean() == approx(1 / 16, abs=0.01)


def test_another_light() -> None:
    seen = {PICTURE: torch.tensor([[[[0.2, 0.8]]]]), STATES: torch.ones(1, 2)}
    lit = Brightness(1.5).begin(0).observed(seen)
    assert lit[PICTURE].flatten().tolist() == approx([0.3, 1.0]) and lit[STATES] is seen[STATES]


def test_levels_are_read_and_refused() -> None:
    assert parsed("delay=0,2") == [Delay(0), Delay(2)]
    assert parsed("n_action_steps=4")[0].switches() == ["--policy.n_action_steps=4"]
    assert parsed("network_calls=5")[0].switches() == ["--policy.sampler.num_steps=5"]
    for text, message in [
        ("wind=1", "legal are brightness, delay, "),
        ("delay=fast", "expected numbers after the name"),
        ("delay=1.5", "delay = 1.5: must be a whole number of at least 0"),
        ("dropped_frames=2", "dropped_frames = 2: must be from 0 to 1"),
        ("network_calls=0", "must be a whole number of at least 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            parsed(text)


def test_the_table_names_every_member() -> None:
    from lerobot_dp_plus.evaluation import perturbing

    assert perturbing.__doc__ is not None
    assert [line.split("`")[1] for line in perturbing.__doc__.splitlines() if line.startswith("| `")] == list(
        PERTURBATIONS
    )


def test_success_under_every_level(tmp_path: Path, capsys) -> None:
    """Level 0 plays the episodes of no perturbation, and actions of pure noise other ones."""
    quick = ["--policy.selection.num_candidates=2", "--policy.sampler.num_steps=1", "--env.episode_length=10"]
    flags = ["--episodes=2", "--seed=90800", "--output-dir", str(tmp_path), "--perturb", "action_noise=0,5", *quick]
    assert entry.main(["evaluate", str(STATE), *flags, "--perturb", "delay=0"]) == 0
    said = capsys.readouterr().out
    assert "action_noise = 5: success" in said and f"dp-plus report {tmp_path}" in said
    rows = json.loads((tmp_path / "robustness.json").read_text())["rows"]
    assert [(row["name"], row["level"], row["of"]) for row in rows] == [
        ("action_noise", 0, 2), ("action_noise", 5, 2), ("delay", 0, 2),
    ]  # fmt: skip
    played = [file.read_text() for file in sorted((tmp_path / "parts").rglob("*.jsonl"))]
    assert len(played) == 3 and len(set(played)) == 2
