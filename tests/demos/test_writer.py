"""The writer's dataset is what was given, or nothing at all; PushT's keypoints are the simulator's."""

import numpy as np
import pytest
from gym_pusht.envs.pusht import PushTEnv
from lerobot.datasets.lerobot_dataset import LeRobotDataset

from lerobot_dp_plus.demos.pusht_features import FPS, ROBOT_TYPE, TASK, episode_columns, keypoints, pusht_features
from lerobot_dp_plus.demos.writer import write_dataset


def random_record(length: int, images: bool, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    record = {
        "agent": rng.uniform(0, 512, (length, 2)),
        "block": rng.uniform(0, 512, (length, 3)),
        "action": rng.uniform(0, 512, (length, 2)),
        "coverage": np.linspace(0.0, 0.96, length),
    }
    if images:
        record["image"] = rng.integers(0, 256, (length, 96, 96, 3), dtype=np.uint8)
    return record


@pytest.mark.parametrize("seed", range(5))
def test_keypoints_equal_the_simulators(seed):
    env = PushTEnv(obs_type="environment_state_agent_pos")
    observation, _ = env.reset(seed=seed)
    block = env.block
    ours = keypoints(block.position.x, block.position.y, block.angle)
    np.testing.assert_allclose(ours, observation["environment_state"], rtol=0, atol=1e-12)
    many = keypoints(*np.tile([[block.position.x], [block.position.y], [block.angle]], 3))
    np.testing.assert_array_equal(many, np.stack([ours] * 3))


@pytest.mark.parametrize("images", [False, True])
def test_dataset_reads_back_as_written(tmp_path, images):
    records = [random_record(length, images, seed) for seed, length in enumerate((4, 7))]
    episodes = [episode_columns(record) for record in records]
    root = tmp_path / "written"
    write_dataset(root, "tests/written", FPS, pusht_features(images), episodes, TASK, ROBOT_TYPE)
    dataset = LeRobotDataset("tests/written", root=root)
    assert (dataset.num_episodes, dataset.num_frames, dataset.fps) == (2, 11, 10)
    index = 0
    for episode in episodes:
        for frame in range(len(episode["action"])):
            item = dataset[index]
            assert item["task"] == TASK
            for key, column in episode.items():
                read = item[key].numpy()
                if key == "observation.image":
                    read = np.round(read.transpose(1, 2, 0) * 255).astype(np.uint8)
                np.testing.assert_array_equal(read.reshape(column[frame].shape), column[frame], err_msg=key)
            index += 1
    assert [path.name for path in tmp_path.iterdir()] == ["written"]


def test_a_failed_write_leaves_nothing(tmp_path):
    def episodes():
        yield episode_columns(random_record(3, False, 0))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(tmp_path / "root", "tests/killed", FPS, pusht_features(), episodes(), TASK)
    assert list(tmp_path.iterdir()) == []


def test_bad_episodes_are_named(tmp_path):
    def attempt(episodes):
        write_dataset(tmp_path / "root", "tests/bad", FPS, pusht_features(), episodes, TASK)

    good = episode_columns(random_record(3, False, 0))
    with pytest.raises(ValueError, match="missing \\['action'\\]"):
        attempt([{key: column for key, column in good.items() if key != "action"}])
    with pytest.raises(ValueError, match="action has shape \\(3, 3\\)"):
        attempt([good | {"action": np.zeros((3, 3))}])
    with pytest.raises(ValueError, match="action holds 1 NaN"):
        attempt([good | {"action": np.array([[0, 0], [1, np.nan], [2, 2]])}])
    with pytest.raises(ValueError, match="at least one episode"):
        attempt([])
    (tmp_path / "root").mkdir()
    with pytest.raises(FileExistsError, match="already exists"):
        attempt([good])
