"""What makes episodes harder does what it says, and nothing at level 0."""

import json
from pathlib import Path

import gym_pusht  # noqa: F401  (registers PushT)
import gymnasium as gym
import numpy as np
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
    Push,
    Turn,
    parsed,
)
from lerobot_dp_plus.evaluation.perturbing.base import Untouched

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
    assert parsed("push@30=0,20") == [Push(0, 30), Push(20, 30)] and parsed("turn=9") == [Turn(9, 0.02)]
    assert Push(20, 30).label == "push@30" and Delay(2).label == "delay"
    assert parsed("n_action_steps=4")[0].switches() == ["--policy.n_action_steps=4"]
    assert parsed("network_calls=5")[0].switches() == ["--policy.sampler.num_steps=5"]
    for text, message in [
        ("wind=1", "legal are brightness, delay, "),
        ("delay=fast", "expected numbers after the name"),
        ("delay=1.5", "delay = 1.5: must be a whole number of at least 0"),
        ("dropped_frames=2", "dropped_frames = 2: must be from 0 to 1"),
        ("network_calls=0", "must be a whole number of at least 1"),
        ("push@1.5=20", "push@1.5: after @ comes a control step, 1 or more, or a probability"),
        ("push@soon=20", "expected a number after @, as in --perturb push@30=20"),
        ("delay@3=2", "delay acts at every step; legal with @ are push, turn"),
        ("turn=200", "turn = 200: must be from 0 to 180"),
    ]:
        with pytest.raises(ValueError, match=message):
            parsed(text)


class Arena(gym.Wrapper):
    """PushT that remembers where its T was after every step."""

    def __init__(self) -> None:
        super().__init__(gym.make("gym_pusht/PushT-v0", obs_type="environment_state_agent_pos"))

    def still(self, harder: Untouched, number: int, steps: int, seed: int = 5) -> np.ndarray:
        """How far the T went in each step while the agent stands still."""
        observation, _ = self.reset(seed=seed)
        block, agent = self.unwrapped.block, observation["agent_pos"]
        block.velocity, places = (0, 0), [np.array(block.position)]
        for step in range(1, steps + 1):
            harder.before(self, "pusht", number, step)
            self.step(agent)
            places.append(np.array(block.position))
        return np.linalg.norm(np.diff(places, axis=0), axis=1)


def test_a_push_comes_before_its_step_and_once() -> None:
    arena = Arena()
    went = arena.still(Push(30, 4).begin(0), 0, 8)
    assert went == approx([0, 0, 0, 30, 0, 0, 0, 0], abs=1e-6)
    assert (arena.still(Push(0, 4).begin(0), 0, 8) == 0).all()


def test_pushes_at_random_come_as_often_as_said_and_follow_from_the_episodes_seed() -> None:
    arena = Arena()
    went = arena.still(Push(5, 0.2).begin(0), 0, 300)
    assert set(np.unique(went.round(6))) == {0, 5} and (went > 1).mean() == approx(0.2, abs=0.06)
    # Episode 2 of a batch that begins with seed 0 is episode 0 of one that begins with seed 2.
    two, zero, other = (arena.still(Push(5, 0.2).begin(s), n, 40) for s, n in ((0, 2), (2, 0), (0, 0)))
    assert (two == zero).all() and not (two == other).all()


def test_where_nothing_can_be_pushed_is_said_before_anything_is_played() -> None:
    with pytest.raises(ValueError, match=r"perturb push: env\.type=aloha: nothing can be moved there; legal are pusht"):
        Push(5).check("aloha")
    Delay(2).check("aloha")


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
    assert entry.main(["evaluate", str(STATE), *flags, "--perturb", "delay=0", "--perturb", "push@5=60"]) == 0
    said = capsys.readouterr().out
    assert "action_noise = 5: success" in said and f"dp-plus report {tmp_path}" in said
    rows = json.loads((tmp_path / "robustness.json").read_text())["rows"]
    assert [(row["name"], row["level"], row["of"]) for row in rows] == [
        ("action_noise", 0, 2), ("action_noise", 5, 2), ("delay", 0, 2), ("push@5", 60, 2),
    ]  # fmt: skip
    played = [file.read_text() for file in sorted((tmp_path / "parts").rglob("*.jsonl"))]
    assert len(played) == 4 and len(set(played)) == 3
