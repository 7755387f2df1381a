"""fast_loading changes LeRobot's training script for as long as it is open, and says which loader is in use."""

from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from accelerate.data_loader import prepare_data_loader
from lerobot.datasets import EpisodeAwareSampler, LeRobotDatasetMetadata, StreamingLeRobotDataset, factory
from lerobot.scripts import lerobot_train
from made_up_datasets import CONFIG, WINDOWS, make_dataset
from torch.utils.data import DataLoader

from lerobot_dp_plus.loading import MemoryDataset, fast_loading
from lerobot_dp_plus.loading.install import only_pictures_that_are_used
from lerobot_dp_plus.loading.memory import identical


def test_trains_from_memory_and_says_so(root, given, heard):
    given(make_dataset(root / "state", episodes=[0, 2]), make_dataset(root / "state", episodes=[1, 3]))
    with fast_loading():
        train, held_out = lerobot_train.make_train_eval_datasets(CONFIG)
    assert isinstance(train, MemoryDataset)
    assert isinstance(held_out, MemoryDataset)
    assert heard() == ["data: in memory, 19 frames and 6 held out, 0.0 MiB"]


def test_workers_are_named_as_needless(root, given, heard):
    given(make_dataset(root / "state"))
    with fast_loading():
        lerobot_train.make_train_eval_datasets(SimpleNamespace(**vars(CONFIG) | {"num_workers": 2}))
    assert "--num_workers=0" in heard()[1]


def test_the_script_is_restored(given, root):
    original = given(make_dataset(root / "state"))
    with pytest.raises(KeyboardInterrupt), fast_loading():
        assert lerobot_train.make_train_eval_datasets is not original
        raise KeyboardInterrupt
    assert lerobot_train.make_train_eval_datasets is original


def test_switched_off(root, given, heard):
    host = make_dataset(root / "state")
    given(host)
    with fast_loading(enabled=False):
        assert lerobot_train.make_train_eval_datasets(CONFIG) == (host, None)
    assert heard() == ["data: LeRobot's loader, because loading from memory is switched off"]


@pytest.mark.parametrize("cameras", [None, "image", "video"])
def test_over_the_limit(root, given, heard, cameras):
    host = make_dataset(root / str(cameras or "state"), cameras)
    given(host)
    with fast_loading(limit_bytes=100):
        assert lerobot_train.make_train_eval_datasets(CONFIG) == (host, None)
    assert len(heard()) == 1
    assert heard()[0].startswith("data: LeRobot's loader, because ")
    assert "the limit is 0.0 MiB" in heard()[0]


def test_the_limit_is_for_training_and_held_out_together(root, given, heard):
    hosts = [make_dataset(root / "state", episodes=episodes) for episodes in ([0, 2], [1, 3])]
    limit = sum(MemoryDataset(host).nbytes for host in hosts)
    given(*hosts)
    with fast_loading(limit_bytes=limit - 1):
        assert lerobot_train.make_train_eval_datasets(CONFIG) == tuple(hosts)
    with fast_loading(limit_bytes=limit):
        assert isinstance(lerobot_train.make_train_eval_datasets(CONFIG)[1], MemoryDataset)


def test_datasets_that_are_not_read_by_row(root, given, heard):
    make_dataset(root / "state")
    streamed = StreamingLeRobotDataset("made/up", root=root / "state")
    given(streamed)
    with fast_loading():
        assert lerobot_train.make_train_eval_datasets(CONFIG)[0] is streamed
    assert "because a StreamingLeRobotDataset is not read by row" in heard()[0]


def test_full_shared_memory(root, given, heard, monkeypatch):
    host = make_dataset(root / "state")
    given(host)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=100))
    monkeypatch.setattr("lerobot_dp_plus.loading.install.SHARED_MEMORY", root)
    with fast_loading():
        assert lerobot_train.make_train_eval_datasets(SimpleNamespace(**vars(CONFIG) | {"num_workers": 2}))[0] is host
        assert isinstance(lerobot_train.make_train_eval_datasets(CONFIG)[0], MemoryDataset)
    assert "num_workers=2 needs" in heard()[0]


def test_a_negative_limit_is_refused():
    with pytest.raises(ValueError, match="limit_bytes=-1"), fast_loading(limit_bytes=-1):
        pass


@pytest.mark.parametrize("wanted", [None, [0], [-2, 0]])
def test_only_pictures_that_a_policy_uses_are_read(root, wanted):
    make_dataset(root / "image", "image")
    policy = SimpleNamespace(
        observation_delta_indices=[-2, -1, 0, 1], action_delta_indices=[0], reward_delta_indices=None
    )
    if wanted is not None:
        policy.camera_delta_indices = wanted
    meta = LeRobotDatasetMetadata("made/up", root=root / "image")
    with only_pictures_that_are_used():
        deltas = factory.resolve_delta_timestamps(policy, meta)
    stock = factory.resolve_delta_timestamps(policy, meta)
    assert len(meta.camera_keys) == 2
    for key in meta.camera_keys:
        assert deltas[key] == [step / 10 for step in wanted or policy.observation_delta_indices]
    assert {key: value for key, value in deltas.items() if key not in meta.camera_keys} == {
        key: value for key, value in stock.items() if key not in meta.camera_keys
    }
    left, right = (make_dataset(root / "image", "image", delta_timestamps=each) for each in (deltas, stock))
    kept = [[-2, -1, 0, 1].index(step) for step in wanted or policy.observation_delta_indices]
    for key in meta.camera_keys:
        assert identical(MemoryDataset(left)[3][key], right[3][key][kept])


def loader(dataset) -> DataLoader:
    episodes = dataset.meta.episodes
    sampler = EpisodeAwareSampler(
        episodes["dataset_from_index"], episodes["dataset_to_index"], shuffle=True, seed=1, drop_n_last_frames=1
    )
    return DataLoader(dataset, batch_size=4, sampler=sampler)


def test_accelerate_gives_the_same_batches(root):
    host = make_dataset(root / "state", delta_timestamps=WINDOWS)
    accelerator = Accelerator(cpu=True)
    ours, theirs = (list(accelerator.prepare(loader(dataset))) for dataset in (MemoryDataset(host), host))
    assert len(ours) == len(theirs) == 6
    for left, right in zip(ours, theirs, strict=True):
        assert list(left) == list(right)
        assert all(identical(left[key], right[key]) for key in right)


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_processes_share_an_epoch_as_with_the_host(root, rank):
    host = make_dataset(root / "state", delta_timestamps=WINDOWS)
    Accelerator(cpu=True)  # accelerate's loaders need its state
    shards = []
    for dataset in (MemoryDataset(host), host):
        prepared = prepare_data_loader(
            loader(dataset), torch.device("cpu"), num_processes=4, process_index=rank, put_on_device=True
        )
        shards.append([batch["index"].tolist() for batch in prepared])
    assert shards[0] == shards[1]
    assert [len(batch) for batch in shards[0]] == [4, 4]
