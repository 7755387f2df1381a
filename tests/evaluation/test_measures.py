"""What is said of an episode: how it failed, how it moved, what it hit; and how sure a mean is."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from pytest import approx

from lerobot_dp_plus.energies import Obstacles
from lerobot_dp_plus.evaluation.environment_of import environment_arguments, environment_of
from lerobot_dp_plus.evaluation.failures import kind_of
from lerobot_dp_plus.evaluation.films import to_film
from lerobot_dp_plus.evaluation.motion import collisions, jerk, path_length
from lerobot_dp_plus.evaluation.signals import Signals, signals
from lerobot_dp_plus.evaluation.statistics import mean_interval
from lerobot_dp_plus.evaluation.together import batch_size

CARDS = Path(__file__).parents[2] / "hub_cards"


def told(*progress: float, touching: bool = True, distance: tuple[float, ...] = ()) -> list[Signals]:
    distances = distance or (100.0,) * (len(progress) + 1)
    return [Signals(p, touching, d) for p, d in zip((0.0, *progress), distances, strict=True)]


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        (told(0.2, 0.85), "near"),
        (told(0.2, 0.85, touching=False), "near"),  # what is near is said first
        (told(0.2, 0.3, touching=False), "lost_contact"),
        (told(0.85, 0.3), "wrong_way"),
        (told(0.1, 0.1, distance=(100.0, 90.0, 120.0)), "wrong_way"),
        (told(0.1, 0.3, distance=(100.0, 90.0, 60.0)), "never_near"),
    ],
)
def test_the_kinds_of_failure(seen: list[Signals], kind: str) -> None:
    assert kind_of(False, seen, "pusht", 10) == kind
    assert kind_of(True, seen, "pusht", 10) == "success"
    assert kind_of(False, seen, "elsewhere", 10) == "failed"


def test_the_wrong_object_is_one_that_the_sentence_does_not_fit() -> None:
    met = [signals("blocks", 0.0, {"grasped": thing, "fits": [2]}) for thing in (-1, 2, 1)]
    assert [kind_of(False, [met[0], each], "blocks", 10) for each in met] == ["failed", "failed", "wrong_object"]


def test_contact_is_lost_after_three_seconds_without() -> None:
    touched = [*[Signals(0.1, True, 9.0)] * 2, *[Signals(0.1, False, 9.0)] * 29]
    assert kind_of(False, touched, "pusht", 10) == "never_near"
    assert kind_of(False, [*touched, touched[-1]], "pusht", 10) == "lost_contact"


def test_signals_of_the_real_environment() -> None:
    from lerobot_dp_plus.evaluation.scenes import make_pusht, place

    env = make_pusht("environment_state_agent_pos")
    place(env, (30, 30), (256, 256), math.pi / 4)
    _, reward, _, _, info = env.step(np.array([30.0, 30.0]))
    there = signals("pusht", reward, info)
    assert there.progress == approx(1) and there.distance == approx(0, abs=1e-6) and there.touching is False
    place(env, (30, 30), (256, 286), math.pi / 4 + 2 * math.pi - 0.5)
    _, reward, _, _, info = env.step(np.array([30.0, 30.0]))
    assert signals("pusht", reward, info).distance == approx(math.hypot(30, 60 * 0.5), rel=1e-3)
    place(env, (256, 100), (256, 256), 0)
    for _ in range(20):
        _, reward, _, _, info = env.step(np.array([256.0, 256.0]))
    assert signals("pusht", reward, info).touching is True


def test_path_and_jerk_in_closed_form() -> None:
    angle = np.linspace(0, 2 * math.pi, 2001)
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)
    assert path_length(3 * circle) == approx(6 * math.pi, rel=1e-5)
    time = np.arange(50) / 10
    assert jerk(np.stack([time**3, 2 * time**2], 1), 10) == approx(6)
    assert jerk(np.zeros((3, 2)), 10) is None


def test_every_entry_into_an_obstacle_is_one_collision() -> None:
    ring = Obstacles(circles=((0.0, 0.0, 1.0),), clearance=0.5)
    line = np.array([[x, 0.0] for x in (-3, -1.4, 0, 1.6, 3, 1.4, 2)])
    assert collisions(line, ring) == 2
    assert collisions(line + np.array([0.0, 5.0]), ring) == 0
    assert collisions(line, Obstacles(circles=((0.0, 0.0, 1.0, 9.0, 9.0),), clearance=0.5)) == 2
    assert collisions(line, Obstacles(boxes=((-1.0, -1.0, 1.0, 1.0),))) == 1
    assert collisions(line, Obstacles()) is None
    assert collisions(np.zeros((4, 14)), ring) is None


def test_the_interval_of_a_mean_covers_it_as_often_as_it_says() -> None:
    """Of skewed values: 95 % are asked for; of 300 samples 270 are six standard errors below that."""
    random = np.random.default_rng(3)
    hits = 0
    for values in random.exponential(2.0, (300, 60)):
        _, low, high = mean_interval(values)
        hits += low < 2 < high
    assert 270 <= hits < 300
    assert mean_interval([1.0, 1.0, 1.0]) == (1.0, None, None)
    with pytest.raises(ValueError, match="1 of them not finite"):
        mean_interval([1.0, math.nan])


def test_failures_of_every_kind_are_filmed() -> None:
    kinds = ["success"] * 3 + ["near"] * 5 + ["wrong_way", "lost_contact"]
    episodes = [{"task": "t", "episode": i, "kind": k, "success": k == "success"} for i, k in enumerate(kinds)]
    assert [each["episode"] for each in to_film(episodes, 2, 4)] == [0, 1, 3, 4, 8, 9]
    assert to_film(episodes, 0, 0) == []


def test_the_environment_follows_from_the_checkpoint(tmp_path: Path) -> None:
    found = environment_arguments(CARDS / "pusht_state")
    assert found == ["--env.type=pusht", "--env.obs_type=environment_state_agent_pos"]
    assert environment_arguments(CARDS / "pusht_state", ["--env.type", "aloha"]) == ["--env.obs_type=pixels_agent_pos"]
    assert environment_of(["--env=pusht", "--env.type=aloha"]) == "aloha"

    def of(action: int, picture: tuple[int, int] | None, env: dict | None = None) -> list[str]:
        features = {"observation.images.top": {"type": "VISUAL", "shape": [3, *picture]}} if picture else {}
        config = {"output_features": {"action": {"shape": [action]}}, "input_features": features or {"s": {}}}
        (tmp_path / "config.json").write_text(json.dumps(config))
        (tmp_path / "train_config.json").write_text(json.dumps({"env": env}))
        return environment_arguments(tmp_path)

    assert of(14, (480, 640)) == ["--env.type=aloha", "--env.obs_type=pixels_agent_pos"]
    assert of(14, None)[0] == "--env.type=aloha_lite"
    assert of(14, (120, 160), {"type": "aloha_lite", "task": "AlohaInsertion-v0"}) == [
        "--env.type=aloha_lite",
        "--env.obs_type=pixels_agent_pos",
        "--env.task=AlohaInsertion-v0",
        "--env.observation_height=120",
        "--env.observation_width=160",
    ]
    assert of(4, (480, 480)) == ["--env.type=metaworld"]
    with pytest.raises(ValueError, match=r"env\.type: .* actions of 7 dimensions fit none of pusht, metaworld, aloha"):
        of(7, None)


def test_batches_are_of_one_size() -> None:
    assert [batch_size(count, 50) for count in (1, 50, 70, 200)] == [1, 50, 35, 50]
