"""The simulated robot: LeRobot's interface, a world that does not wait, and LeRobot's rollout with it, end to end."""

from pathlib import Path

import numpy as np
import pytest
import torch
from fabricated import tiny_config
from gym_pusht.envs import PushTEnv
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.policies import get_policy_class, make_pre_post_processors
from lerobot.robots import make_robot_from_config

import lerobot_policy_dp_plus  # noqa: F401
from lerobot_dp_plus.cli import main
from lerobot_dp_plus.robots import simulated
from lerobot_dp_plus.robots.config_simulated import SimulatedConfig
from lerobot_dp_plus.robots.simulated import Simulated
from lerobot_dp_plus.samplers import DDIM

AT = {"x.pos": 200.0, "y.pos": 220.0}


@pytest.fixture
def robot(tmp_path):
    made = make_robot_from_config(SimulatedConfig(id="a", calibration_dir=tmp_path, speed=0, keypoints=True))
    assert isinstance(made, Simulated)
    made.connect()
    yield made
    made.disconnect()


@pytest.fixture
def clock(monkeypatch):
    """Time as the robot sees it, which passes when it is told to."""
    now = [100.0]
    monkeypatch.setattr(simulated.time, "perf_counter", lambda: now[0])
    return now


def test_it_observes_and_acts_as_gym_pusht(robot) -> None:
    env = PushTEnv(obs_type="environment_state_agent_pos")
    expected, _ = env.reset(seed=100000)
    assert list(robot.observation_features) == [*(name for name in robot.get_observation())]
    for _ in range(3):
        seen = robot.get_observation()
        numbers = [value for value in seen.values() if isinstance(value, float)]
        both = np.concatenate([expected["agent_pos"], expected["environment_state"]])
        np.testing.assert_allclose(numbers, both, rtol=1e-5)
        assert seen["top"].shape == (96, 96, 3) and seen["top"].dtype == np.uint8
        assert robot.send_action(AT) == AT
        expected = env.step(np.array([200.0, 220.0], dtype=np.float32))[0]
    assert robot.steps == 3 and robot.missed == 0


def test_time_passes_whether_or_not_somebody_acts(tmp_path, clock) -> None:
    robot = Simulated(SimulatedConfig(id="a", calibration_dir=tmp_path, speed=2.0))
    robot.connect()
    start = robot.get_observation()
    clock[0] += 1.0  # two seconds there, which are 20 steps
    rested = robot.get_observation()
    assert robot.steps == 20 and rested["x.pos"] == pytest.approx(start["x.pos"], abs=1e-3)
    robot.send_action(AT)
    clock[0] += 0.06
    robot.get_observation()
    assert robot.steps == 21 and robot.missed == 0, "an action is there for one step"
    clock[0] += 1.0
    arrived = robot.get_observation()
    assert robot.steps == 41 and robot.missed == 20, "and then it is held"
    assert arrived["x.pos"] == pytest.approx(AT["x.pos"], abs=0.5)
    robot.disconnect()


def test_it_says_when_the_task_was_done(tmp_path, caplog, monkeypatch) -> None:
    robot = Simulated(SimulatedConfig(id="a", calibration_dir=tmp_path, speed=0, seed=7))
    robot.connect()
    steps = iter([False, True, True])
    monkeypatch.setattr(robot._world, "step", lambda action: next(steps))
    for _ in range(3):
        robot.send_action(AT)
    with caplog.at_level("INFO"):
        robot.disconnect()
    assert "simulated pusht, seed 7: done after 2 of 3 steps" in caplog.text


def test_what_no_motor_takes_and_who_is_not_connected(robot) -> None:
    with pytest.raises(ValueError, match="NaN"):
        robot.send_action({"x.pos": float("nan"), "y.pos": 1.0})
    assert robot.send_action({"x.pos": 3.0})["y.pos"] == robot.send_action({})["y.pos"], "what is missing stays"
    robot.disconnect()
    for act in (robot.get_observation, lambda: robot.send_action(AT)):
        with pytest.raises(ConnectionError, match="not connected"):
            act()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"world": "moon"}, "robot.world='moon': legal are pusht, transfer_cube, insertion"),
        ({"seed": -1}, "robot.seed=-1"),
        ({"speed": -1.0}, "robot.speed=-1.0"),
        ({"speed": float("inf")}, "robot.speed=inf"),
        ({"world": "insertion", "keypoints": True}, "robot.keypoints=true"),
        ({"camera": False}, "robot.camera=false"),
    ],
)
def test_illegal_fields_are_refused_by_name(fields, said) -> None:
    with pytest.raises(ValueError, match=said):
        SimulatedConfig(**fields)


def test_alohas_arms(tmp_path) -> None:
    pytest.importorskip("gym_aloha")
    robot = Simulated(SimulatedConfig(id="a", calibration_dir=tmp_path, world="transfer_cube", speed=0, camera=False))
    robot.connect()
    start = robot.get_observation()
    assert len(start) == 14 and list(start) == list(robot.action_features)
    robot.send_action({**start, "left_waist.pos": start["left_waist.pos"] + 0.05})
    moved = robot.get_observation()
    assert moved["left_waist.pos"] > start["left_waist.pos"]
    robot.disconnect()


# LeRobot's rollout


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    """A tiny policy that reads the 18 numbers of PushT's robot as its state."""
    state = {"observation.state": PolicyFeature(FeatureType.STATE, (18,))}
    config = tiny_config(state, 2, horizon=32, sampler=DDIM(2))
    torch.manual_seed(0)
    policy = get_policy_class(config.type)(config)
    stats = {
        "observation.state": {"min": torch.zeros(18), "max": torch.full((18,), 512.0)},
        "action": {"min": torch.zeros(2), "max": torch.full((2,), 512.0)},
    }
    policy.save_pretrained(tmp_path / "policy")
    for pipeline in make_pre_post_processors(config, dataset_stats=stats):
        pipeline.save_pretrained(tmp_path / "policy")
    return tmp_path / "policy"


@pytest.mark.parametrize("inference", ["sync", "rtc"])
def test_lerobots_rollout_runs_end_to_end(checkpoint, tmp_path, inference, monkeypatch) -> None:
    """Both engines of LeRobot, from a saved policy to a robot whose world goes on meanwhile."""
    sent: list[dict] = []
    steps: list[int] = []
    sending, leaving = Simulated.send_action, Simulated.disconnect
    monkeypatch.setattr(Simulated, "send_action", lambda self, action: sent.append(action) or sending(self, action))
    monkeypatch.setattr(Simulated, "disconnect", lambda self: steps.append(self.steps) or leaving(self))
    robot = ["--robot.type=simulated", "--robot.keypoints=true", "--robot.camera=false", "--robot.id=a"]
    flags = [f"--policy.path={checkpoint}", *robot, f"--robot.calibration_dir={tmp_path}", "--task=push", "--fps=20"]
    flags += ["--duration=1.5", f"--inference.type={inference}", "--play_sounds=false"]
    assert main(["rollout", *flags, "--return_to_initial_position=false", "--robot.speed=0.5"]) == 0
    assert len(sent) > 8 and all(np.isfinite(list(action.values())).all() for action in sent)
    assert steps[0] >= 5, "its world went on meanwhile"
