"""Replay buffers, in zarr and .npz: what comes back through LeRobot is what was in the buffer, or nothing is there."""

import json
import shutil
import zipfile
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr
from convert_helpers import nothing_left, psnr, read_back, scene
from gym_pusht.envs.pusht import PushTEnv

from lerobot_dp_plus import cli
from lerobot_dp_plus.demos.convert import main
from lerobot_dp_plus.demos.pusht_features import TASK

HUMAN = Path(__file__).parents[3] / "shared" / "data" / "pusht_human" / "pusht_human.npz"
LENGTHS = (4, 1, 6)
ENDS = np.cumsum(LENGTHS)


def pusht(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    count = sum(LENGTHS)
    state = np.concatenate([rng.uniform(50, 450, (count, 4)), rng.uniform(0, 2 * np.pi, (count, 1))], axis=1)
    return {
        "state": state.astype(np.float32),
        "action": rng.uniform(0, 512, (count, 2)).astype(np.float32),
        "keypoint": rng.uniform(0, 512, (count, 9, 2)).astype(np.float32),
        "n_contacts": np.ones((count, 1), np.float32),
    }


def arm(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    count = sum(LENGTHS)
    return {
        "pose": rng.normal(size=(count, 6)),  # float64
        "gripper": rng.normal(size=count).astype(np.float32),
        "action": rng.normal(size=(count, 7)).astype(np.float32),
        "camera": rng.integers(0, 256, (count, 24, 32, 3), dtype=np.uint8),
    }


def write(path: Path, arrays: dict[str, np.ndarray], ends=ENDS, form: int = 2, **options) -> Path:
    """A buffer as Diffusion Policy writes it, in chunks that end elsewhere than episodes."""
    store = zarr.storage.ZipStore(path, mode="w") if path.suffix == ".zip" else zarr.storage.LocalStore(path)
    root = zarr.open_group(store, mode="w", zarr_format=form)
    data, meta = root.create_group("data"), root.create_group("meta")
    for key, values in arrays.items():
        data.create_array(key, data=values, chunks=(3, *values.shape[1:]), **options)
    meta.create_array("episode_ends", data=np.asarray(ends))
    store.close()
    return path


def convert(source: Path, root: Path, *options: str, format: str = "zarr") -> int:
    return main([format, str(source), "--root", str(root), *options])


PLAIN = ("--map", "pose=observation.state", "--map", "gripper=observation.state", "--map", "action=action")
GIVEN = ("--fps", "20", "--task", "lift it")


@pytest.mark.parametrize("name", ["buffer.zarr", "buffer.zarr.zip"])
@pytest.mark.parametrize("form", [2, 3])
def test_pusht_arrives_as_gym_pusht_sees_it(tmp_path, name, form):
    arrays = pusht()
    source = write(tmp_path / name, arrays, form=form)
    assert convert(source, tmp_path / "out") == 0
    dataset, columns = read_back(tmp_path / "out")
    assert (dataset.num_episodes, dataset.num_frames, dataset.fps) == (3, 11, 10)
    assert columns["episode_index"].tolist() == [0] * 4 + [1] + [2] * 6
    assert dataset[0]["task"] == TASK
    np.testing.assert_array_equal(columns["observation.state"], arrays["state"][:, :2])
    np.testing.assert_array_equal(columns["action"], arrays["action"])
    env = PushTEnv(obs_type="environment_state_agent_pos")
    env.reset(seed=0)
    for frame, (_, _, x, y, angle) in enumerate(arrays["state"].astype(float).tolist()):
        env.block.angle, env.block.position = angle, (x, y)  # in this order
        seen = env.get_obs()["environment_state"]
        np.testing.assert_allclose(columns["observation.environment_state"][frame], seen, rtol=0, atol=1e-4)
    note = json.loads((tmp_path / "out" / "conversion.json").read_text())
    assert note["left_out"] == ["keypoint", "n_contacts"] and note["frames"] == 11
    assert nothing_left(tmp_path, source, tmp_path / "out")


@pytest.mark.parametrize("white", [255.0, 1.0])
def test_pusht_pictures_of_floating_point(tmp_path, white):
    frames = np.random.default_rng(1).integers(0, 256, (11, 96, 96, 3), dtype=np.uint8)
    source = write(tmp_path / "b.zarr", pusht() | {"img": (frames * (white / 255)).astype(np.float32)})
    convert(source, tmp_path / "out")
    _, columns = read_back(tmp_path / "out")
    np.testing.assert_array_equal(columns["observation.image"], frames)


def test_pusht_pictures_are_drawn_where_there_are_none(tmp_path):
    """Compared with what the running environment saw at the states recorded."""
    env = PushTEnv(obs_type="pixels")
    rows, seen = [], []
    picture, _ = env.reset(seed=3)
    for target in np.linspace((100.0, 100.0), (400.0, 300.0), 11):
        rows.append([*env.agent.position, *env.block.position, env.block.angle])
        seen.append(picture)
        picture, *_ = env.step(target)
    state = np.array(rows, np.float64)
    np.savez(tmp_path / "b.npz", state=state, action=np.ones((11, 2)), episode_ends=ENDS)
    convert(tmp_path / "b.npz", tmp_path / "out", "--images", format="pusht-npz")
    _, columns = read_back(tmp_path / "out")
    assert len(np.unique(columns["observation.image"][0])) > 5
    np.testing.assert_array_equal(columns["observation.image"], np.array(seen))
    assert "observation.environment_state" not in columns, "gym-pusht shows a policy pictures or corners, never both"
    convert(tmp_path / "b.npz", tmp_path / "both", "--images", "--corners", format="pusht-npz")
    assert read_back(tmp_path / "both")[1]["observation.environment_state"].shape == (11, 16)


def test_any_buffer_by_map(tmp_path):
    arrays = arm()
    source = write(tmp_path / "b.zarr", arrays)
    convert(source, tmp_path / "out", *PLAIN, "--map", "camera=observation.images.wrist", *GIVEN)
    dataset, columns = read_back(tmp_path / "out")
    assert dataset.fps == 20 and dataset[0]["task"] == "lift it"
    state = np.concatenate([arrays["pose"].astype(np.float32), arrays["gripper"][:, None]], axis=1)
    np.testing.assert_array_equal(columns["observation.state"], state)
    np.testing.assert_array_equal(columns["action"], arrays["action"])
    np.testing.assert_array_equal(columns["observation.images.wrist"], arrays["camera"])
    names = dataset.meta.features["observation.state"]["names"]
    assert names == [*(f"pose.{index}" for index in range(6)), "gripper"]
    np.testing.assert_allclose(dataset.meta.stats["observation.state"]["min"], state.min(0), rtol=0, atol=0)


def test_video_stays_close(tmp_path):
    frames = np.concatenate([scene(length, seed) for seed, length in enumerate(LENGTHS)])
    source = write(tmp_path / "b.zarr", arm() | {"camera": frames})
    convert(source, tmp_path / "out", *PLAIN, "--map", "camera=observation.images.top", *GIVEN, "--video")
    dataset, columns = read_back(tmp_path / "out")
    assert dataset.meta.video_keys == ["observation.images.top"]
    quality = [psnr(*pair) for pair in zip(columns["observation.images.top"], frames, strict=True)]
    assert min(quality) > 30
    stated = json.loads((tmp_path / "out" / "conversion.json").read_text())["compared"]["least_psnr_db"]
    assert stated["observation.images.top"] == pytest.approx(min(quality), abs=0.05)


def test_video_that_lost_too_much_is_refused(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (11, 64, 64, 3), dtype=np.uint8)  # noise cannot be compressed
    source = write(tmp_path / "b.zarr", arm() | {"camera": frames})
    with pytest.raises(ValueError, match=r"episode 0, observation\.images\.top: frame \d has .* --no-video"):
        convert(source, tmp_path / "out", *PLAIN, "--map", "camera=observation.images.top", *GIVEN, "--video")
    assert nothing_left(tmp_path, source)


def test_a_buffer_inside_an_archive(tmp_path):
    inner = write(tmp_path / "pusht_cchi.zarr", pusht())
    with zipfile.ZipFile(tmp_path / "pusht.zip", "w") as archive:
        for path in sorted(inner.rglob("*")):
            archive.write(path, f"pusht/{path.relative_to(tmp_path)}")
    convert(tmp_path / "pusht.zip", tmp_path / "out")
    convert(inner, tmp_path / "direct")
    one, two = (read_back(tmp_path / name)[1] for name in ("out", "direct"))
    assert all(np.array_equal(one[key], two[key]) for key in two)
    (tmp_path / "holder").mkdir()
    shutil.move(inner, tmp_path / "holder" / "a.zarr")
    assert convert(tmp_path / "holder", tmp_path / "third") == 0
    write(tmp_path / "holder" / "b.zarr", pusht())
    with pytest.raises(ValueError, match=r"2 replay buffers \['a\.zarr', 'b\.zarr'\]"):
        convert(tmp_path / "holder", tmp_path / "fourth")


BAD = {
    "cut short": (lambda a: a | {"action": a["action"][:9]}, ENDS, "data|action has 9 rows"),
    "mixed lengths": (lambda a: a | {"pose": np.ones((12, 6))}, ENDS, "pose has 12 rows"),
    "NaN": (lambda a: a | {"pose": np.where(np.eye(11, 6) == 1, np.nan, a["pose"])}, ENDS, "pose .*4 NaN"),
    "integers": (
        lambda a: a | {"action": a["action"].astype(np.int64) + 2**30},
        ENDS,
        "action .*holds the whole number",
    ),
    "too large": (lambda a: a | {"pose": a["pose"] * 1e300}, ENDS, "float32 ends at"),
    "no action": (lambda a: {k: v for k, v in a.items() if k != "action"}, ENDS, "action is missing; it has"),
    "empty episode": (lambda a: a, [4, 4, 11], "episode_ends: episode 1 would have 0 frames"),
    "falling ends": (lambda a: a, [5, 4, 11], "episode_ends: episode 1 would have -1 frames"),
    "no frames first": (lambda a: a, [0, 11], "episode 0 would have 0 frames"),
    "ends of floats": (lambda a: a, [4.0, 11.0], "episode_ends has dtype float64"),
    "ends too early": (lambda a: a, [4, 10], "episode_ends closes at 10"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_buffers_are_refused_by_key(tmp_path, name):
    change, ends, message = BAD[name]
    source = write(tmp_path / "b.zarr", change(arm()), ends)
    with pytest.raises(ValueError, match=message) as caught:
        convert(source, tmp_path / "out", *PLAIN, *GIVEN)
    assert str(source) in str(caught.value)
    assert nothing_left(tmp_path, source)


@pytest.mark.parametrize(
    ("camera", "message"),
    [
        (np.ones((11, 3, 24, 32), np.uint8), r"camera has shape \(11, 3, 24, 32\); legal for pictures is"),
        (np.ones((11, 24, 32, 3), np.int32), "camera has dtype int32; legal for pictures are"),
        (np.full((11, 24, 32, 3), 300, np.float32), "holds values from 300 to 300; legal are 0 to 255"),
        (np.full((11, 24, 32, 3), np.nan, np.float32), "holds values from nan to nan"),
        (np.full((11, 8), 1, np.float32), "camera holds numbers and cannot become 'observation.images.top'"),
    ],
)
def test_bad_pictures_are_refused(tmp_path, camera, message):
    source = write(tmp_path / "b.zarr", arm() | {"camera": camera})
    with pytest.raises(ValueError, match=message):
        convert(source, tmp_path / "out", *PLAIN, "--map", "camera=observation.images.top", *GIVEN)
    assert nothing_left(tmp_path, source)


def test_a_missing_chunk_is_no_row_of_zeros(tmp_path):
    source = write(tmp_path / "b.zarr", arm())
    (source / "data" / "pose" / "2.0").unlink()
    with pytest.raises(ValueError, match=r"data/pose .* 1 of 4 chunks are missing and would read as 0"):
        convert(source, tmp_path / "out", *PLAIN, *GIVEN)
    assert nothing_left(tmp_path, source)
    assert convert(source, tmp_path / "out", *PLAIN, *GIVEN, "--allow-missing-chunks") == 0
    assert not read_back(tmp_path / "out")[1]["observation.state"][6:9, :6].any()


@pytest.mark.parametrize("form", [2, 3])
@pytest.mark.parametrize("keep", [10, 40, -1])
def test_half_a_blosc_chunk_is_refused(tmp_path, form, keep):
    """Blosc itself reads on behind the end of it and returns numbers."""
    blosc = (
        zarr.codecs.BloscCodec(shuffle="shuffle") if form == 3 else numcodecs.Blosc("lz4", 5, numcodecs.Blosc.SHUFFLE)
    )
    source = write(tmp_path / "b.zarr", arm(), form=form, compressors=blosc)
    assert convert(source, tmp_path / "whole", *PLAIN, *GIVEN) == 0
    chunk = source / "data" / "action" / ("c/1/0" if form == 3 else "1.0")
    chunk.write_bytes(chunk.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"b\.zarr: action .* chunk data/action/.* bytes and says it has"):
        convert(source, tmp_path / "out", *PLAIN, *GIVEN)
    assert nothing_left(tmp_path, source, tmp_path / "whole")


def test_damaged_files_are_named(tmp_path):
    source = write(tmp_path / "b.zarr", arm())
    chunk = source / "data" / "action" / "1.0"
    chunk.write_bytes(chunk.read_bytes()[:20])
    with pytest.raises(ValueError, match=r"b\.zarr: action .*truncated or damaged"):
        convert(source, tmp_path / "out", *PLAIN, *GIVEN)
    packed = write(tmp_path / "c.zip", arm())
    packed.write_bytes(packed.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"c\.zip .*truncated or damaged"):
        convert(packed, tmp_path / "out", *PLAIN, *GIVEN)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="0 replay buffers"):
        convert(tmp_path / "empty", tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        convert(tmp_path / "nowhere", tmp_path / "out")
    assert not (tmp_path / "out").exists()


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return Path.mkdir, (self.folder,)


def test_nothing_is_unpickled(tmp_path):
    import pickle

    trap = pickle.dumps(Trap(tmp_path / "sprung"))
    for change in ({"dtype": "|O", "filters": [{"id": "pickle"}]}, {"filters": [{"id": "pickle"}]}):
        shutil.rmtree(tmp_path / "b.zarr", ignore_errors=True)
        source = write(tmp_path / "b.zarr", arm())
        header = source / "data" / "pose" / ".zarray"
        header.write_text(json.dumps(json.loads(header.read_text()) | {"compressor": None} | change))
        for chunk in (source / "data" / "pose").glob("[0-9]*"):
            chunk.write_bytes(trap)
        with pytest.raises(ValueError, match=r"b\.zarr: data"):
            convert(source, tmp_path / "out", *PLAIN, *GIVEN)
    np.savez(tmp_path / "b.npz", state=np.array([Trap(tmp_path / "sprung")]), episode_ends=ENDS)
    with pytest.raises(ValueError, match=r"b\.npz: state cannot be read"):
        convert(tmp_path / "b.npz", tmp_path / "out", format="pusht-npz")
    assert nothing_left(tmp_path, source, tmp_path / "b.npz")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (PLAIN, "--fps=0 --task=None: both are needed"),
        ((*PLAIN, "--fps", "-3", "--task", "x"), "fps=-3"),
        ((*GIVEN, "--map", "pose"), "--map pose: legal is KEY=FEATURE"),
        ((*GIVEN, "--map", "pose=observation.state"), "nothing is mapped to 'action'"),
        ((*GIVEN, "--map", "action=action"), "nothing is mapped to an observation"),
        ((*GIVEN, *PLAIN, "--map", "camera=observation.state"), "camera holds pictures and cannot become"),
        ((*GIVEN, *PLAIN, "--map", "pose=state"), "'state' is no feature"),
        ((*GIVEN, *PLAIN, "--map", "nothing=action"), "nothing is missing; it has"),
        ((*PLAIN, *GIVEN, "--corners"), "--images and --corners are PushT's"),
        ((*PLAIN, "--layout", "pusht"), "--layout pusht has its own names"),
        (("--layout", "pusht"), "state is missing"),
    ],
)
def test_options_that_do_not_fit(tmp_path, options, message):
    source = write(tmp_path / "b.zarr", arm())
    with pytest.raises(ValueError, match=message):
        convert(source, tmp_path / "out", *options)
    assert nothing_left(tmp_path, source)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"state": np.zeros((11, 4))}, r"state has shape \(11, 4\); PushT's is"),
        ({"action": np.zeros((10, 2))}, "action has 10 rows"),
        ({"episode_ends": [3, 3]}, "episode 1 would have 0 frames"),
    ],
)
def test_bad_npz(tmp_path, change, message):
    np.savez(
        tmp_path / "b.npz", **({"state": np.ones((11, 5)), "action": np.ones((11, 2)), "episode_ends": ENDS} | change)
    )
    with pytest.raises(ValueError, match=message):
        convert(tmp_path / "b.npz", tmp_path / "out", format="pusht-npz")
    assert nothing_left(tmp_path, tmp_path / "b.npz")


def test_npz_without_ends_or_cut(tmp_path):
    file = tmp_path / "b.npz"
    np.savez(file, state=np.ones((11, 5)), action=np.ones((11, 2)))
    with pytest.raises(ValueError, match="episode_ends is missing"):
        convert(file, tmp_path / "out", format="pusht-npz")
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(ValueError, match=r"b\.npz cannot be read"):
        convert(file, tmp_path / "out", format="pusht-npz")


def test_the_command(tmp_path, capsys):
    source = write(tmp_path / "b.zarr", arm())
    assert cli.main(["convert", "zarr", str(source), "--root", str(tmp_path / "out"), *PLAIN, *GIVEN]) == 0
    assert "3 episodes, 11 frames compared with the source; all equal" in capsys.readouterr().out
    assert cli.main(["convert", "zarr", str(source), "--root", str(tmp_path / "out"), *PLAIN, *GIVEN]) == 1
    assert "error: root=" in capsys.readouterr().err


@pytest.mark.skipif(not HUMAN.exists(), reason="the human demonstrations are not on this machine")
def test_human_demonstrations(tmp_path):
    """The first three episodes: corners as the simulator computes them."""
    with np.load(HUMAN) as archive:
        ends = archive["episode_ends"][:3]
        state, action = archive["state"][: ends[-1]], archive["action"][: ends[-1]]
    np.savez(tmp_path / "b.npz", state=state, action=action, episode_ends=ends)
    convert(tmp_path / "b.npz", tmp_path / "out", format="pusht-npz")
    dataset, columns = read_back(tmp_path / "out")
    assert dataset.num_episodes == 3 and dataset.num_frames == ends[-1]
    np.testing.assert_array_equal(columns["observation.state"], state[:, :2])
    np.testing.assert_array_equal(columns["action"], action)
    env = PushTEnv(obs_type="environment_state_agent_pos")
    env.reset(seed=0)
    for frame, (_, _, x, y, angle) in enumerate(state.astype(float).tolist()):
        env.block.angle, env.block.position = angle, (x, y)
        seen = env.get_obs()["environment_state"]
        np.testing.assert_allclose(columns["observation.environment_state"][frame], seen, rtol=0, atol=1e-4)


def test_whole_numbers_switches_and_single_numbers(tmp_path):
    """Counts, a gripper that is a bool, and features of one number each, also a lone action."""
    rng = np.random.default_rng(3)
    count = sum(LENGTHS)
    buffer = {
        "ticks": rng.integers(-(2**24), 2**24, (count, 3), dtype=np.int32),
        "closed": rng.random(count) < 0.5,
        "force": rng.normal(size=(count, 1)),
        "action": rng.integers(0, 200, count, dtype=np.uint8),
    }
    source = write(tmp_path / "b.zarr", buffer)
    names = {
        "ticks": "observation.state",
        "closed": "observation.closed",
        "force": "observation.force",
        "action": "action",
    }
    maps = [word for key, feature in names.items() for word in ("--map", f"{key}={feature}")]
    assert convert(source, tmp_path / "out", *maps, *GIVEN) == 0
    dataset, columns = read_back(tmp_path / "out")
    for key, feature in names.items():
        assert dataset.meta.features[feature]["dtype"] == "float32"
        np.testing.assert_array_equal(
            columns[feature].reshape(count, -1), buffer[key].reshape(count, -1).astype(np.float32)
        )
