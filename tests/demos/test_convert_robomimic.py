"""robomimic's files: what comes back through LeRobot is what was demonstrated, or nothing is there."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from convert_helpers import nothing_left, read_back

from lerobot_dp_plus.demos.convert import main

LENGTHS = {"demo_0": 4, "demo_2": 3, "demo_10": 5}
ENVIRONMENT = {"env_name": "Lift", "type": 1, "env_kwargs": {"control_freq": 25, "robots": ["Panda"]}}
WIDTHS = {"robot0_eef_pos": 3, "robot0_eef_quat": 4, "robot0_gripper_qpos": 2, "robot0_joint_pos": 7, "object": 10}
STATE = ("robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos")


def demonstrate(name: str) -> dict[str, np.ndarray]:
    rng, length = np.random.default_rng(LENGTHS[name]), LENGTHS[name]
    return {
        **{f"obs/{key}": rng.normal(size=(length, width)) for key, width in WIDTHS.items()},
        "obs/agentview_image": rng.integers(0, 256, (length, 24, 32, 3), dtype=np.uint8),
        "obs/robot0_eye_in_hand_image": rng.integers(0, 256, (length, 24, 24, 3), dtype=np.uint8),
        "actions": rng.uniform(-1, 1, (length, 7)),
        "rewards": rng.uniform(size=length),
        "dones": np.arange(length) == length - 1,
    }


def write(path: Path, change=lambda record: record, only: str = "demo_10", mask=(b"demo_10", b"demo_0")) -> Path:
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps(ENVIRONMENT)
        file.create_dataset("mask/train", data=np.array(mask, dtype="S8"))
        for name in LENGTHS:
            record = demonstrate(name)
            record = change(record) if name == only else record
            demo = data.create_group(name)
            demo.attrs["num_samples"] = record.pop("num_samples", LENGTHS[name])
            for key, values in record.items():
                demo.create_dataset(key, data=values.astype(np.int64) if key == "dones" else values)
    return path


def convert(source: Path, root: Path, *options: str) -> int:
    return main(["robomimic", str(source), "--root", str(root), *options])


def demonstrated(*keys: str, names=tuple(LENGTHS)) -> np.ndarray:
    columns = []
    for name in names:
        record = demonstrate(name)
        columns.append(np.concatenate([record[key].reshape(LENGTHS[name], -1) for key in keys], axis=1))
    return np.concatenate(columns)


def test_pictures_and_proprioception_arrive(tmp_path):
    source = write(tmp_path / "lift.hdf5")
    assert convert(source, tmp_path / "out") == 0
    dataset, columns = read_back(tmp_path / "out")
    assert (dataset.num_episodes, dataset.fps, dataset.meta.robot_type) == (3, 25, "Panda")
    assert dataset[0]["task"] == "Lift"
    assert columns["episode_index"].tolist() == [0] * 4 + [1] * 3 + [2] * 5
    state = demonstrated(*(f"obs/{key}" for key in STATE)).astype(np.float32)
    np.testing.assert_array_equal(columns["observation.state"], state)
    assert dataset.meta.features["observation.state"]["names"][:4] == [
        "robot0_eef_pos.0",
        "robot0_eef_pos.1",
        "robot0_eef_pos.2",
        "robot0_eef_quat.0",
    ]
    np.testing.assert_array_equal(columns["action"], demonstrated("actions").astype(np.float32))
    np.testing.assert_array_equal(columns["next.reward"], demonstrated("rewards")[:, 0].astype(np.float32))
    assert columns["next.done"].tolist() == demonstrated("dones")[:, 0].tolist()
    for camera in ("agentview", "robot0_eye_in_hand"):
        frames = np.concatenate([demonstrate(name)[f"obs/{camera}_image"] for name in LENGTHS])
        np.testing.assert_array_equal(columns[f"observation.images.{camera}"], frames)
    assert "observation.environment_state" not in columns, "with pictures the object's pose stays out"
    note = json.loads((tmp_path / "out" / "conversion.json").read_text())
    assert note["left_out"] == ["obs/object", "obs/robot0_joint_pos"]
    assert note["carried"]["observation.state"] == [f"obs/{key}" for key in STATE]
    assert note["env_args"] == ENVIRONMENT
    assert nothing_left(tmp_path, source, tmp_path / "out")


def test_chosen_keys_in_the_order_given(tmp_path):
    source = write(tmp_path / "lift.hdf5")
    options = ("--state-keys", "robot0_joint_pos", "robot0_eef_pos", "--environment-keys", "object", "--image-keys")
    convert(source, tmp_path / "out", *options, "--filter-key", "train", "--fps", "10", "--task", "lift the cube")
    dataset, columns = read_back(tmp_path / "out")
    chosen = ("demo_0", "demo_10")
    assert (dataset.num_episodes, dataset.fps, dataset.meta.camera_keys) == (2, 10, [])
    assert dataset[0]["task"] == "lift the cube"
    state = demonstrated("obs/robot0_joint_pos", "obs/robot0_eef_pos", names=chosen).astype(np.float32)
    np.testing.assert_array_equal(columns["observation.state"], state)
    objects = demonstrated("obs/object", names=chosen).astype(np.float32)
    np.testing.assert_array_equal(columns["observation.environment_state"], objects)


def test_without_pictures_the_object_is_the_environment(tmp_path):
    drop = {"obs/agentview_image", "obs/robot0_eye_in_hand_image"}
    source = tmp_path / "low_dim.hdf5"
    write(source)
    with h5py.File(source, "a") as file:
        for name in LENGTHS:
            for key in drop:
                del file[f"data/{name}/{key}"]
    convert(source, tmp_path / "out")
    _, columns = read_back(tmp_path / "out")
    np.testing.assert_array_equal(
        columns["observation.environment_state"], demonstrated("obs/object").astype(np.float32)
    )


def put(key: str, make):
    return lambda record: record | {key: make(record[key])}


BAD = {
    "no actions": (lambda r: {k: v for k, v in r.items() if k != "actions"}, "data/demo_10/actions is missing"),
    "no object": (lambda r: {k: v for k, v in r.items() if k != "obs/robot0_eef_pos"}, "obs/robot0_eef_pos is missing"),
    "short actions": (put("actions", lambda v: v[:4]), r"data/demo_10: .*same number of frames; got .*'actions': 4"),
    "cut short": (lambda r: {k: v[:4] for k, v in r.items()}, "data/demo_10 has 4 frames and num_samples=5"),
    "no frames": (put("actions", lambda v: v[:0]), "data/demo_10/actions has shape .*at least one frame"),
    "NaN": (put("obs/robot0_eef_pos", lambda v: v * np.nan), "data/demo_10/obs/robot0_eef_pos holds 15 NaN"),
    "integers": (put("actions", lambda v: v.astype(int) - 2**25), "data/demo_10/actions holds the whole number 335"),
    "other width": (put("actions", lambda v: v[:, :3]), "data/demo_10 has .* all must agree"),
    "other size": (put("obs/agentview_image", lambda v: v[:, :8]), "data/demo_10 has .* all must agree"),
    "no flags": (put("dones", lambda v: v * 3), r"data/demo_10/dones holds \[3\]; legal are 0 and 1"),
    "rewards of vectors": (put("rewards", lambda v: v[:, None]), r"data/demo_10/rewards has shape \(5, 1\)"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_demonstrations_are_refused_by_key(tmp_path, name):
    change, message = BAD[name]
    source = write(tmp_path / "lift.hdf5", change)
    with pytest.raises(ValueError, match=message) as caught:
        convert(source, tmp_path / "out")
    assert str(source) in str(caught.value)
    assert nothing_left(tmp_path, source)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--filter-key", "valid"), r"mask/valid is missing; legal for --filter-key are \['train'\]"),
        (("--state-keys", "robot9"), r"obs/robot9 is missing; beside it are \['agentview_image'"),
        (("--image-keys", "object"), r"object has dtype float64 and|object has shape \(4, 10\); legal for pictures"),
        (("--state-keys", "agentview_image"), r"agentview_image has shape \(4, 24, 32, 3\); legal is \(T,\)"),
        (("--action-key", "actions_abs"), "actions_abs is missing"),
    ],
)
def test_options_that_do_not_fit(tmp_path, options, message):
    source = write(tmp_path / "lift.hdf5")
    with pytest.raises(ValueError, match=message):
        convert(source, tmp_path / "out", *options)
    assert nothing_left(tmp_path, source)


def test_masks_that_name_what_is_not_there(tmp_path):
    source = write(tmp_path / "a.hdf5", mask=(b"demo_7",))
    with pytest.raises(ValueError, match=r"mask/train names \['demo_7'\], which are not in data"):
        convert(source, tmp_path / "out", "--filter-key", "train")
    with h5py.File(source, "a") as file:
        del file["mask/train"]
        file.create_dataset("mask/train", data=np.arange(3))
    with pytest.raises(ValueError, match="mask/train cannot be read"):
        convert(source, tmp_path / "out", "--filter-key", "train")


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "a.hdf5"
    path.write_bytes(b"no hdf5")
    with pytest.raises(ValueError, match=r"a\.hdf5 cannot be read"):
        convert(path, tmp_path / "out")
    with h5py.File(path, "w") as file:
        file.create_group("other")
    with pytest.raises(ValueError, match=r"the group data is missing; the file has \['other'\]"):
        convert(path, tmp_path / "out")
    with h5py.File(path, "w") as file:
        file.create_dataset("data/demo_0/actions", data=np.ones((3, 7)))
    with pytest.raises(ValueError, match="data/demo_0/obs is missing; extract observations"):
        convert(path, tmp_path / "out")
    assert nothing_left(tmp_path, path)
