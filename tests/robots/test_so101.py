"""A made-up SO-101, from a recording through doctor, training and offline error to LeRobot's rollout, without a robot."""

from pathlib import Path

import numpy as np
import pytest

from lerobot_dp_plus.cli import main
from lerobot_dp_plus.demos import so101
from lerobot_dp_plus.demos.so101_episodes import Leader, Recipe, generate
from lerobot_dp_plus.environments.so101 import CUBE, LIMITS, REST, So101, forward, inverse, points
from lerobot_dp_plus.environments.so101_pictures import front, wrist
from lerobot_dp_plus.robots.simulated import Simulated

ROOT = Path(__file__).parents[2]


def test_forward_undoes_inverse_within_the_joints_limits() -> None:
    arm = So101()
    for seed in range(50):
        arm.reset(seed)
        for cube in arm.table.cubes:
            for height in (CUBE, 0.08):
                joints = inverse(np.r_[cube, height], 40.0)
                np.testing.assert_allclose(forward(joints), np.r_[cube, height], atol=1e-12)
                assert ((joints >= LIMITS[0]) & (joints <= LIMITS[1])).all()
                hand = np.diff(points(joints), axis=0)[-1]
                np.testing.assert_allclose(hand / np.linalg.norm(hand), [0, 0, -1], atol=1e-12)
    with pytest.raises(ValueError, match="out of reach"):
        inverse(np.array([0.4, 0.0, 0.0]), 0.0)


def test_joints_follow_with_a_lag_and_no_faster_than_they_can() -> None:
    arm = So101()
    arm.reset(0)
    np.testing.assert_array_equal(arm.table.joints, REST)
    arm.step(REST + np.array([4, -4, 100, 0, 0, 0]))
    np.testing.assert_allclose(arm.table.joints, REST + np.array([2, -2, 8, 0, 0, 0]))


def test_a_cube_is_held_where_the_gripper_closes_on_it_and_nowhere_else() -> None:
    arm, other = So101(), So101()
    for each, height in ((arm, CUBE), (other, 0.08)):
        each.reset(3)
        cube = each.table.cubes[1].copy()
        for gripper in (60.0, 0.0):
            for _ in range(40):
                held = each.step(inverse(np.r_[cube, height], gripper))
        assert held == (each is arm) and each.table.held == (1 if each is arm else None)


def test_the_leader_picks_what_is_named_and_the_pictures_show_it() -> None:
    for index in range(12):
        record = generate(Recipe(height=32, width=32), index)
        assert record["success"] and 10 < len(record["action"]) < 120
        assert ("red" in str(record["task"])) != ("blue" in str(record["task"]))
    arm = So101()
    arm.reset(5)
    leader = Leader(0)
    before = {camera: camera(arm.table, 96, 128) for camera in (front, wrist)}
    for _ in range(10):
        arm.step(leader.act(arm))
    for camera, picture in before.items():
        assert picture.shape == (96, 128, 3) and picture.dtype == np.uint8
        assert (camera(arm.table, 96, 128) != picture).any(-1).mean() > 0.005, camera.__name__
        red = picture.astype(int) @ [2, -1, -1] > 200
        assert red.any(), "the red cube is in sight"


def test_the_whole_way_of_a_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """`docs/own_data.md`, at tiny size: record, doctor, train, offline, rollout with both engines."""
    root, output = tmp_path / "arm", tmp_path / "train"
    assert so101.main(["--episodes", "2", "--root", str(root), "--workers", "1"]) == 0
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", str(root), "--no-measure", "--output", str(tmp_path / "doctor")]) == 0
    told = capsys.readouterr().out
    assert "blue" in told and "red" in told, "the words that tell the tasks apart"
    assert "pick up the red cube" in (tmp_path / "doctor" / "doctor.json").read_text()
    tiny = ["--policy.network.dim=32", "--policy.network.depth=1", "--policy.network.num_heads=2", "--batch_size=4"]
    config = f"--config_path={ROOT / 'configs' / 'so101_pick.json'}"
    flags = [
        config,
        f"--dataset.root={root}",
        f"--output_dir={output}",
        "--steps=2",
        "--save_freq=2",
        "--policy.device=cpu",
    ]
    assert main(["train", *flags, *tiny]) == 0
    trained = output / "checkpoints" / "last" / "pretrained_model"
    assert main(["offline", str(trained), str(root), "--moments=4", "--candidates=3"]) == 0

    sent: list[dict[str, float]] = []
    sending = Simulated.send_action
    monkeypatch.setattr(Simulated, "send_action", lambda self, action: sent.append(action) or sending(self, action))
    robot = ["--robot.type=simulated", "--robot.world=so101", "--robot.id=a", f"--robot.calibration_dir={tmp_path}"]
    run = ["--task=pick up the red cube", "--fps=30", "--duration=2", "--play_sounds=false"]
    switches = ["--policy.sampler.num_steps=1", "--return_to_initial_position=false"]
    for inference in ("sync", "rtc"):
        sent.clear()
        arguments = [f"--policy.path={trained}", f"--inference.type={inference}", *robot, *run, *switches]
        assert main(["rollout", *arguments]) == 0
        assert len(sent) > 3 and all(np.isfinite(list(each.values())).all() for each in sent), inference
        assert set(sent[0]) == set(so101.NAMES)
