"""`dp-plus calibrate`: which runs count, on which seeds, and what is written."""

from pathlib import Path

import numpy as np
import pytest
import torch
from policies.tiny import config, frame, policy

from lerobot_dp_plus.augmentation import PushTMirror
from lerobot_dp_plus.augmentation.pusht_mirror import mirror
from lerobot_dp_plus.evaluation import calibrate as calibration
from lerobot_dp_plus.evaluation import watched_runs
from lerobot_dp_plus.evaluation.options import calibrate_parser
from lerobot_dp_plus.policies.acting import Loaded
from lerobot_dp_plus.selection import Densest
from lerobot_dp_plus.surprise import Monitor

AFFINE = {"observation.state": (0.0, 1.0), "action": (0.0, 1.0)}


def loaded() -> Loaded:
    made = policy(selection=Densest(4)).eval()
    made.model.units.learn(AFFINE)
    for weight in made.model.parameters():
        weight.data += 0.1 * torch.randn_like(weight)
    made.ema.module.load_state_dict(made.model.state_dict())  # type: ignore[union-attr]
    return Loaded(made, lambda batch: batch, lambda action: action)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Runs of random frames: every third fails; the run of seed s lasts 5 + s modulo 3 steps."""
    seeds: list[int] = []

    def play(loaded: Loaded, batch: range, watch: watched_runs.Watch) -> list[bool]:
        seeds.extend(batch)
        loaded.policy.reset()
        for step in range(7):
            loaded.policy.select_action(frame(loaded.policy.config, len(batch)))
            watch(step, np.array([step < 5 + seed % 3 for seed in batch]))
        return [seed % 3 != 0 for seed in batch]

    monkeypatch.setattr(calibration, "play", play)
    return seeds


def options(*flags: str):
    return calibrate_parser().parse_args(["checkpoint", *flags])


def test_successful_runs_give_the_thresholds(played: list[int]) -> None:
    made = loaded()
    found = calibration.calibrate(
        made, options("--episodes=60", "--fit-episodes=3", "--seed=90000", "--alpha=0.1"), note=1
    )
    assert played == list(range(90_000, 90_063))
    assert found.scorer == "distance" and found.per == "run" and found.count == 40
    assert found.about == {
        "note": 1,
        "environment": "pusht",
        "seeds": [90_003, 90_062],
        "seeds_of_usual": [90_000, 90_002],
        "successes": 40,
        "episodes": 60,
    }
    assert found.settings == made.policy.settings() and found.surprise > 0 and found.strangeness > 0
    monitor = Monitor(found.scorer, found.usual, found, found.candidates)
    alarmed = [alarm for _, _, alarm in calibration.traces(made, monitor, range(200))]
    assert sum(alarmed) < 60, "runs like those of the calibration hardly alarm"


def test_steps_after_the_end_of_a_run_do_not_count(played: list[int]) -> None:
    found = calibration.traces(loaded(), Monitor("distance"), range(6))
    assert [len(trace.surprise) for _, trace, _ in found] == [1, 1, 2, 1, 1, 2]  # a chunk lasts 3 steps
    assert not any(trace.strangeness for _, trace, _ in found)


def test_too_few_runs_are_refused_before_any_is_played(played: list[int]) -> None:
    with pytest.raises(ValueError, match=r"episodes = 38: alpha = 0\.05 for two signals takes at least 39"):
        calibration.calibrate(loaded(), options("--episodes=38"))
    with pytest.raises(ValueError, match="fit_episodes = 0: must be at least 1"):
        calibration.calibrate(loaded(), options("--fit-episodes=0"))
    assert played == []
    with pytest.raises(ValueError, match="none of 1 runs from seed 90000 succeeded"):
        calibration.calibrate(loaded(), options("--fit-episodes=1"))
    with pytest.raises(ValueError, match="26 calibration scores are too few"):
        calibration.calibrate(loaded(), options("--episodes=39", "--fit-episodes=3"))


def test_usual_observations_are_those_that_the_augmentation_leaves() -> None:
    states = {"observation.state": torch.rand(400, 2, 2) * 512}
    made = config()
    assert torch.equal(
        calibration.augmented(made, states)["observation.state"], states["observation.state"].repeat(2, 1, 1)
    )
    made.augmentation = PushTMirror()
    found = calibration.augmented(made, states)["observation.state"].unflatten(0, (2, 400))
    kept = (found == states["observation.state"]).all((2, 3))
    mirrored = torch.isclose(found, mirror("observation.state", states["observation.state"])).all((2, 3))
    assert (kept ^ mirrored).all() and 0.4 < kept.float().mean() < 0.6


def test_unknown_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--episode=3: no option of dp-plus calibrate"):
        calibration.main([str(tmp_path), "--episode=3"])
    with pytest.raises(ValueError, match="scorer = 'x': legal are next_state, expectation, distance"):
        calibration.main([str(tmp_path), "--scorer=x"])


class Still:
    """A policy of PushT that stays where it is."""

    def __init__(self) -> None:
        self.policy, self.seen = self, []
        self.config = config()

    def reset(self) -> None:
        return None

    def act(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        self.seen.append({key: value.copy() for key, value in batch.items()})
        return batch["agent_pos"]


def test_runs_are_side_by_side_and_may_be_interfered_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched_runs, "STEPS", 4)
    player, watched, over = Still(), [], np.zeros(2, bool)

    def interfere(step, environments, running):
        if step != 2:
            return []
        environments[1].unwrapped.agent.position = (77.0, 88.0)
        return [1]

    def watch(step, running):
        watched.append(running.tolist())
        over[0] = step == 2

    assert watched_runs.play(player, [1, 2], watch, interfere, over) == [False, False]  # type: ignore[arg-type]
    assert watched == [[True, True]] * 3 + [[False, True]]
    positions = np.stack([each["agent_pos"] for each in player.seen])
    assert not np.allclose(positions[0, 0], positions[0, 1]), "seeds differ"
    np.testing.assert_allclose(positions[2, 1], [77, 88])
    np.testing.assert_allclose(positions[3, 0], positions[2, 0])
    assert watched_runs.in_batches(range(45)) == [range(20), range(20, 40), range(40, 45)]
