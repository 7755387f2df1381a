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

from lerobot_dp_plus import patches
from lerobot_dp_plus.loading import MemoryDataset, fast_loading
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
        asked = SimpleNamespace(**vars(CONFIG) | {"num_workers": 2})
        lerobot_train.make_train_eval_datasets(asked)
    assert "--num_workers=0" in heard()[1] and asked.num_workers == 2


@pytest.mark.parametrize(("enabled", "expected"), [(True, 0), (False, 4)])
def test_workers_that_nobody_asked_for_are_left_out_where_data_are_in_memory(root, given, enabled, expected):
    given(make_dataset(root / "state"))
    unasked = SimpleNamespace(**vars(CONFIG) | {"num_workers": 4})
    with fast_loading(enabled, workers_asked=False):
        lerobot_train.make_train_eval_datasets(unasked)
    assert unasked.num_workers == expected


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
    crowded = SimpleNamespace(**vars(CONFIG) | {"num_workers": 2})
    with fast_loading():
        assert isinstance(lerobot_train.make_train_eval_datasets(crowded)[0], MemoryDataset)
        assert isinstance(lerobot_train.make_train_eval_datasets(CONFIG)[0], MemoryDataset)
    assert crowded.num_workers == 0
    assert "num_workers=0 instead of 2" in heard()[1] and not any("instead of 0" in line for line in heard())


def test_a_negative_limit_is_refused():
    with pytest.raises(ValueError, match="limit_bytes=-1"), fast_loading(limit_bytes=-1):
        pass


@pytest.mark.parametrize("wanted", [None, [0], [-2, 0]])
def test_only_pictures_that_a_policy_uses_are_read(root, wanted):
    make_dataset(root / "image", "image")
    policy = SimpleNamespace(
        type="act", observation_delta_indices=[-2, -1, 0, 1], action_delta_indices=[0], reward_delta_indices=None
    )
    if wanted is not None:
        policy.type, policy.camera_delta_indices, policy.follow = "dp_plus_flow", wanted, lambda fps: None
    meta = LeRobotDatasetMetadata("made/up", root=root / "image")
    patches.install()
    deltas = factory.resolve_delta_timestamps(policy, meta)
    stock = factory.resolve_delta_timestamps.stock(policy, meta)
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


# The next LeRobot


def test_what_lerobot_is_told_besides_goes_through(root, monkeypatch):
    """Its next version passes a rename_map, by position."""
    make_dataset(root / "image", "image")
    meta = LeRobotDatasetMetadata("made/up", root=root / "image")
    told = []

    def resolve_delta_timestamps(cfg, ds_meta, rename_map=None):
        told.append(rename_map)
        return {key: [-0.1, 0.0] for key in ds_meta.features}

    monkeypatch.setattr(factory, "resolve_delta_timestamps", resolve_delta_timestamps)
    patches.install()
    policy = SimpleNamespace(type="dp_plus_flow", camera_delta_indices=[0], follow=lambda fps: None)
    by_position = factory.resolve_delta_timestamps(policy, meta, {"a": "b"})
    by_name = factory.resolve_delta_timestamps(policy, meta, rename_map={"c": "d"})
    as_now = factory.resolve_delta_timestamps(policy, meta)
    assert told == [{"a": "b"}, {"c": "d"}, None]
    assert by_position == by_name == as_now
    assert all(as_now[key] == ([0.0] if key in meta.camera_keys else [-0.1, 0.0]) for key in meta.features)


def excluding(*episodes: int) -> SimpleNamespace:
    return SimpleNamespace(**vars(CONFIG), dataset=SimpleNamespace(exclude_episodes=list(episodes)))


@pytest.mark.parametrize("excluded", [(1,), (0, 3)])
def test_excluded_episodes_are_left_out_as_by_the_host(root, given, heard, excluded):
    """It makes the dataset of the others."""
    host = make_dataset(
        root / "state", episodes=[each for each in range(4) if each not in excluded], delta_timestamps=WINDOWS
    )
    given(host)
    with fast_loading():
        train, _ = lerobot_train.make_train_eval_datasets(excluding(*excluded))
    assert isinstance(train, MemoryDataset) and len(train) == len(host)
    assert not set(excluded) & set(train.columns["episode_index"].tolist())
    for row in range(len(host)):
        ours, theirs = train[row], host[row]
        assert list(ours) == list(theirs) and all(identical(ours[key], theirs[key]) for key in theirs)


def test_a_host_that_leaves_episodes_out_in_another_way_keeps_its_loader(root, given, heard):
    host = make_dataset(root / "state")
    held_out = make_dataset(root / "state", episodes=[3])
    for hosts, excluded, named in (((host,), (1, 2), "[1, 2]"), ((held_out, host), (0,), "[0]")):
        given(*hosts)
        with fast_loading():
            assert lerobot_train.make_train_eval_datasets(excluding(*excluded))[0] is hosts[0]
        assert f"LeRobot's loader, because dataset.exclude_episodes leaves out {named}" in heard()[-1]


def test_a_training_that_gets_its_data_otherwise_is_refused_and_not_slow_without_a_word(given, root, monkeypatch):
    host = make_dataset(root / "state")
    given(host)
    monkeypatch.delattr(factory, "resolve_delta_timestamps")
    with pytest.raises(ValueError, match=r"resolve_delta_timestamps is gone.*--fast_loading=false"), fast_loading():
        pass
    with fast_loading(enabled=False):
        assert lerobot_train.make_train_eval_datasets(CONFIG)[0] is host
    monkeypatch.delattr(lerobot_train, "make_train_eval_datasets")
    with pytest.raises(ValueError, match=r"lerobot_train\.make_train_eval_datasets is gone"), fast_loading():
        pass
    with fast_loading(enabled=False):
        pass


def test_a_training_that_never_asks_for_its_data_is_told(given, root, caplog):
    given(make_dataset(root / "state"))
    with fast_loading():
        pass
    assert "did not ask for its data here" in caplog.text


def test_a_dataset_of_another_version_keeps_its_loader(root, given, heard, monkeypatch):
    host = make_dataset(root / "state")
    given(host)
    monkeypatch.delattr(type(host), "absolute_to_relative_idx")
    with fast_loading():
        assert lerobot_train.make_train_eval_datasets(CONFIG)[0] is host
    assert "has no absolute_to_relative_idx" in heard()[0]
