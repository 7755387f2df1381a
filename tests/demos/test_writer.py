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


@pytest.mark.parametrize("width", [1, 3])
def test_every_type_of_number_comes_back(tmp_path, width):
    """Of one number, given as (T,) or (T, 1), and of several."""
    rng = np.random.default_rng(width)
    kinds = ("int8", "int16", "int32", "int64", "uint8", "bool", "float16", "float32", "float64")
    features = {f"observation.{kind}": {"dtype": kind, "shape": [width], "names": None} for kind in kinds}
    features["action"] = {"dtype": "int32", "shape": [width], "names": None}
    columns = {key: rng.integers(0, 2 if "bool" in key else 120, (5, width)) for key in features}
    columns["observation.float64"] = rng.normal(size=(5, width))
    flat = {key: column[:, 0] if width == 1 and "8" in key else column for key, column in columns.items()}
    write_dataset(tmp_path / "root", "tests/kinds", 10, features, [flat], "push")
    dataset = LeRobotDataset("tests/kinds", root=tmp_path / "root")
    for key, column in columns.items():
        read = np.stack([np.asarray(dataset[frame][key]) for frame in range(5)]).reshape(5, width)
        np.testing.assert_array_equal(read, column.astype(features[key]["dtype"]).astype(read.dtype), err_msg=key)


@pytest.mark.parametrize(
    ("dtype", "value", "message"),
    [
        ("int32", 0.7, r"observation\.x holds 0\.7 in frame 2, which int32 cannot store"),
        ("uint8", 256, "holds 256 in frame 2, which uint8"),
        ("uint8", -1, "holds -1 in frame 2, which uint8"),
        ("bool", 2, "holds 2 in frame 2, which bool"),
        ("float32", 2**24 + 1, "holds 16777217 in frame 2, which float32"),
        ("float16", 1e6, r"holds 1000000\.0 in frame 2, which float16"),
    ],
)
def test_what_a_type_cannot_hold_is_refused(tmp_path, dtype, value, message):
    column = np.zeros((4, 2), np.asarray(value).dtype)
    column[2, 1] = value
    features = {"observation.x": {"dtype": dtype, "shape": (2,), "names": None}}
    with pytest.raises(ValueError, match=message):
        write_dataset(tmp_path / "root", "tests/bad", 10, features, [{"observation.x": column}], "push")
    assert list(tmp_path.iterdir()) == []
