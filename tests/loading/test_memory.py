"""MemoryDataset gives LeRobot's batches bit for bit, or says why it does not."""

import copy
import pickle

import numpy as np
import pyarrow as pa
import pytest
import torch
from lerobot.datasets import EpisodeAwareSampler
from lerobot.utils.collate import lerobot_collate_fn
from made_up_datasets import CAMERAS, LENGTHS, TASKS, WINDOWS, make_dataset
from torch.utils.data import DataLoader, Subset
from torchvision.transforms import v2

from lerobot_dp_plus.loading.columns import NotInMemory, read_column
from lerobot_dp_plus.loading.memory import MemoryDataset, identical

CAMERA_WINDOWS = WINDOWS | {key: [-0.1, 0.0] for key in CAMERAS}


def assert_same_batch(ours: dict, theirs: dict) -> None:
    assert type(ours) is dict
    assert list(ours) == list(theirs)
    assert [key for key in theirs if not identical(ours[key], theirs[key])] == []
    assert all(value.is_contiguous() for value in ours.values() if isinstance(value, torch.Tensor))


def assert_same_batches(memory: MemoryDataset, host, **loader) -> int:
    pairs = list(zip(DataLoader(memory, **loader), DataLoader(host, **loader), strict=True))
    for ours, theirs in pairs:
        assert_same_batch(ours, theirs)
    return len(pairs)


@pytest.mark.parametrize("windows", [None, WINDOWS], ids=["frames", "windows"])
@pytest.mark.parametrize("episodes", [None, [2, 0], [3]], ids=str)
def test_batches_equal_the_hosts(root, windows, episodes):
    host = make_dataset(root / "state", delta_timestamps=windows, episodes=episodes)
    memory = MemoryDataset(host)
    assert assert_same_batches(memory, host, batch_size=5) == -(-len(host) // 5)


@pytest.mark.parametrize(("cameras", "uint8"), [("image", True), ("video", False), ("video", True)])
@pytest.mark.parametrize(
    "windows",
    [None, WINDOWS, CAMERA_WINDOWS, WINDOWS | {key: [0.0] for key in CAMERAS}],
    ids=["frames", "state windows", "camera windows", "single-frame windows"],
)
def test_images_equal_the_hosts(root, cameras, uint8, windows):
    host = make_dataset(root / cameras, cameras, delta_timestamps=windows, episodes=[0, 2], return_uint8=uint8)
    memory = MemoryDataset(host)
    assert assert_same_batches(memory, host, batch_size=8) == 3
    assert all(frames.dtype == torch.uint8 for frames in memory.frames.values())


def test_samples_equal_the_hosts(root):
    host = make_dataset(root / "video", "video", delta_timestamps=CAMERA_WINDOWS)
    memory = MemoryDataset(host)
    for row in (0, 6, 7, 24, -1, -25):
        assert_same_batch(memory[row], host[row])
    assert len(memory[3:9:2]) == 3
    assert_same_batch(memory[3:9:2][1], host[5])
    for outside in (25, -26):
        with pytest.raises(IndexError):
            memory[outside]
        with pytest.raises(IndexError):
            memory.__getitems__([0, outside])


def test_windows_reach_over_both_ends(root):
    memory = MemoryDataset(make_dataset(root / "state", delta_timestamps=WINDOWS))
    batch = memory.batch([0, LENGTHS[0] - 1])
    assert batch["observation.state_is_pad"].tolist() == [[True, True, False], [False, False, False]]
    assert batch["action_is_pad"][1].tolist() == [False, False, *[True] * 14]
    assert batch["task"] == [TASKS[0], TASKS[0]]


def test_random_image_transforms_draw_the_same_numbers(root):
    transform = v2.Compose([v2.ColorJitter(0.5, 0.5), v2.RandomCrop(48)])
    host = make_dataset(root / "image", "image", delta_timestamps=CAMERA_WINDOWS, image_transforms=transform)
    memory = MemoryDataset(host)
    assert host.image_transforms is transform
    batches = []
    for dataset in (memory, host):
        torch.manual_seed(7)
        batches.append(next(iter(DataLoader(dataset, batch_size=6))))
    assert_same_batch(*batches)


def test_building_and_reading_draws_no_random_number(root):
    before = torch.get_rng_state()
    MemoryDataset(make_dataset(root / "state", delta_timestamps=WINDOWS)).batch([1, 2])
    assert torch.equal(before, torch.get_rng_state())


def test_resumed_epoch_of_an_episode_subset_has_the_same_order(root):
    host = make_dataset(root / "state", delta_timestamps=WINDOWS, episodes=[1, 2])
    memory = MemoryDataset(host)

    def sampler(dataset) -> EpisodeAwareSampler:
        episodes = dataset.meta.episodes
        sampler = EpisodeAwareSampler(
            episodes["dataset_from_index"],
            episodes["dataset_to_index"],
            episode_indices_to_use=dataset.episodes,
            drop_n_last_frames=1,
            shuffle=True,
            seed=3,
            absolute_to_relative_idx=dataset.absolute_to_relative_idx,
        )
        sampler.load_state_dict({"epoch": 2, "start_index": 4})
        return sampler

    ours = DataLoader(memory, batch_size=4, sampler=sampler(memory))
    theirs = DataLoader(host, batch_size=4, sampler=sampler(host))
    batches = list(zip(ours, theirs, strict=True))
    assert len(batches) == 2
    for pair in batches:
        assert_same_batch(*pair)


def test_workers_and_subsets_give_the_same_batches(root):
    host = make_dataset(root / "state", delta_timestamps=WINDOWS)
    memory = MemoryDataset(host)
    # Fork here for speed; what a spawned worker needs is pickled in the next test.
    loader = DataLoader(Subset(memory, [3, 20, 8]), batch_size=2, num_workers=1, multiprocessing_context="fork")
    for ours, theirs in zip(loader, DataLoader(Subset(host, [3, 20, 8]), batch_size=2), strict=True):
        assert_same_batch(ours, theirs)


def test_survives_pickling_and_copying(root):
    memory = MemoryDataset(make_dataset(root / "state", delta_timestamps=WINDOWS))
    for twin in (pickle.loads(pickle.dumps(memory)), copy.copy(memory)):
        assert_same_batch(twin.batch([4, 9]), memory.batch([4, 9]))


def test_batches_are_the_callers_to_change(root):
    memory = MemoryDataset(make_dataset(root / "state", delta_timestamps=WINDOWS))
    before = memory.batch([2])
    changed = memory.batch([2])
    for value in changed.values():
        if isinstance(value, torch.Tensor):
            value.zero_()
    assert not identical(changed["action_is_pad"], before["action_is_pad"])
    assert_same_batch(memory.batch([2]), before)


def test_another_collate_is_refused(root):
    memory = MemoryDataset(make_dataset(root / "state"))
    with pytest.raises(TypeError, match="already collated"):
        next(iter(DataLoader(memory, batch_size=2, collate_fn=lerobot_collate_fn)))


def test_everything_else_is_the_hosts(root):
    host = make_dataset(root / "state", delta_timestamps=WINDOWS, episodes=[1, 2])
    memory = MemoryDataset(host)
    for name in ("meta", "episodes", "num_frames", "num_episodes", "hf_dataset", "absolute_to_relative_idx", "fps"):
        assert getattr(memory, name) is getattr(host, name) or getattr(memory, name) == getattr(host, name)
    assert len(memory) == len(host) == 14
    with pytest.raises(AttributeError, match="no_such"):
        _ = memory.no_such


def test_limit_counts_columns_and_frames(root):
    host = make_dataset(root / "image", "image")
    needed = MemoryDataset(host).nbytes
    assert needed > len(host) * (64 * 96 + 64 * 64) * 3
    assert MemoryDataset(host, limit_bytes=needed).nbytes == needed
    with pytest.raises(NotInMemory, match="limit is"):
        MemoryDataset(host, limit_bytes=needed - 1)


def test_a_host_that_changed_is_noticed(root, monkeypatch):
    host = make_dataset(root / "state", delta_timestamps=WINDOWS)
    genuine = host.reader.get_item
    monkeypatch.setattr(host.reader, "get_item", lambda row: genuine(row) | {"action": torch.zeros(16, 2)})
    with pytest.raises(NotInMemory, match="differ in 'action'"):
        MemoryDataset(host)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (pa.array([1.0, None]), "1 missing values"),
        (pa.array([[1.0], [1.0, 2.0]]), r"different lengths \[1, 2\]"),
        (pa.array([{"a": 1}]), "has type struct"),
        (pa.array([1], pa.uint64()), "has type uint64"),
    ],
)
def test_columns_that_cannot_be_held(values, reason):
    with pytest.raises(NotInMemory, match=f"'x'.*{reason}"):
        read_column("x", pa.chunked_array([values]))


def test_columns_follow_torch_tensor():
    for values in ([1.5, float("nan")], [True, False], [[1, 2], [3, 4]], [[[0.1], [0.2]]]):
        for kind in (pa.array(values), *([pa.array(values, pa.float32())] if isinstance(values[0], float) else [])):
            expected = torch.stack([torch.tensor(value) for value in kind.to_pylist()])
            assert identical(read_column("x", pa.chunked_array([kind])), expected)
    assert read_column("x", pa.chunked_array([["a"], ["b"]])) == ["a", "b"]
    sliced = pa.chunked_array([pa.array(np.arange(8), pa.int16()).slice(2, 3), pa.array([9], pa.int16())])
    assert identical(read_column("x", sliced), torch.tensor([2, 3, 4, 9]))
