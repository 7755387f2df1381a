"""Frames mapped from disk are the frames LeRobot decodes; an entry is complete or absent, and found again."""

import os
import pickle
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lerobot.scripts import lerobot_train
from made_up_datasets import CAMERAS, CONFIG, WINDOWS, make_dataset
from test_memory import assert_same_batch, assert_same_batches
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from lerobot_dp_plus.loading import FrameCache, MemoryDataset, NotInMemory, fast_loading
from lerobot_dp_plus.loading import memory as memory_module
from lerobot_dp_plus.loading.disk import FRAMES
from lerobot_dp_plus.loading.memory import identical

CAMERA_WINDOWS = WINDOWS | {key: [-0.1, 0.0] for key in CAMERAS}
BOTH = pytest.mark.parametrize("cameras", ["image", "video"])


@pytest.fixture
def cache(tmp_path) -> FrameCache:
    return FrameCache(tmp_path / "cache")


@pytest.fixture
def no_decoding(monkeypatch):
    """From the moment it is called, decoding a frame fails the test."""

    def refuse(*_):
        raise AssertionError("decoded again")

    def install() -> None:
        monkeypatch.setattr(memory_module, "image_frames", refuse)
        monkeypatch.setattr(memory_module, "video_frames", refuse)

    return install


@BOTH
@pytest.mark.parametrize("windows", [WINDOWS, CAMERA_WINDOWS], ids=["frames", "windows"])
def test_batches_equal_the_hosts(root, cache, cameras, windows):
    host = make_dataset(root / cameras, cameras, delta_timestamps=windows, episodes=[0, 2], return_uint8=True)
    mapped = MemoryDataset(host, cache=cache)
    assert assert_same_batches(mapped, host, batch_size=8) == 3
    assert mapped.nbytes < 10_000 < mapped.mapped_bytes == 19 * (64 * 96 + 64 * 64) * 3


@BOTH
def test_decoded_once(root, cache, cameras, no_decoding):
    host = make_dataset(root / cameras, cameras)
    assert not cache.holds(host)
    before = MemoryDataset(host, cache=cache)
    assert cache.holds(host)
    no_decoding()
    again = MemoryDataset(make_dataset(root / cameras, cameras), cache=FrameCache(cache.root))
    assert_same_batch(again.batch([0, 24, 7]), before.batch([0, 24, 7]))


@BOTH
def test_another_dataset_is_another_entry(root, cache, cameras):
    host = make_dataset(root / cameras, cameras)
    key = next(iter(CAMERAS))
    places = {cache.folder(host, key)}
    places.add(cache.folder(make_dataset(root / cameras, cameras, episodes=[0, 2]), key))
    places.add(cache.folder(host, list(CAMERAS)[1]))
    folder = "videos" if cameras == "video" else "data"
    file = next(path for path in sorted((host.root / folder).rglob("*.*")) if path.is_file() and key in f"{path}{key}")
    times = file.stat()
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns + 1_000_000))
    places.add(cache.folder(host, key))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert len(places) == 4
    assert cache.folder(host, key) in places


def test_images_as_bytes_are_the_hosts_after_the_division(root, cache):
    """What LeRobot's training loop does with bytes, done to a batch, equals the host's batch bit for bit."""
    host = make_dataset(root / "image", "image", delta_timestamps=CAMERA_WINDOWS)
    for dataset in (MemoryDataset(host, as_bytes=True), MemoryDataset(host, cache=cache, as_bytes=True)):
        batch = dataset.batch(range(25))
        for key in CAMERAS:
            assert batch[key].dtype == torch.uint8
            batch[key] = batch[key].to(dtype=torch.float32) / 255.0
        assert_same_batch(batch, next(iter(DataLoader(host, batch_size=25))))


def test_image_transforms_see_what_they_always_saw(root):
    host = make_dataset(root / "image", "image", image_transforms=v2.ColorJitter(0.5, 0.5))
    batches = []
    for dataset in (MemoryDataset(host, as_bytes=True), host):
        torch.manual_seed(3)
        batches.append(next(iter(DataLoader(dataset, batch_size=4))))
    assert_same_batch(*batches)


def test_a_worker_gets_the_path_and_not_the_frames(root, cache):
    mapped = MemoryDataset(make_dataset(root / "image", "image"), cache=cache)
    assert len(pickle.dumps(mapped.frames)) < 2000
    twin = pickle.loads(pickle.dumps(mapped.frames))
    for key, frames in mapped.frames.items():
        assert identical(twin[key].tensor, frames.tensor)
    loader = DataLoader(mapped, batch_size=5, num_workers=1, multiprocessing_context="fork")
    for ours, theirs in zip(loader, DataLoader(mapped, batch_size=5), strict=True):
        assert_same_batch(ours, theirs)


def test_nothing_done_to_the_frames_reaches_the_file(root, cache):
    mapped = MemoryDataset(make_dataset(root / "image", "image"), cache=cache)
    frames = next(iter(mapped.frames.values()))
    content = frames.path.read_bytes()
    frames.tensor.zero_()
    assert frames.path.read_bytes() == content
    assert any(content)


def test_an_interrupted_decoding_leaves_nothing(root, cache, monkeypatch):
    host = make_dataset(root / "image", "image")
    genuine = memory_module.image_frames

    def interrupted(*arguments):
        for count, frame in enumerate(genuine(*arguments)):
            if count == 9:
                raise KeyboardInterrupt
            yield frame

    monkeypatch.setattr(memory_module, "image_frames", interrupted)
    with pytest.raises(KeyboardInterrupt):
        MemoryDataset(host, cache=cache)
    assert [path for path in cache.root.iterdir() if path.suffix != ".lock"] == []
    assert not cache.holds(host)


def test_what_a_killed_run_left_is_replaced(root, cache):
    host = make_dataset(root / "image", "image")
    folder = cache.folder(host, next(iter(CAMERAS)))
    for leftover in (folder, folder.with_name(f"{folder.name}.partial")):
        leftover.mkdir(parents=True)
        (leftover / FRAMES).write_bytes(b"half")
    assert_same_batches(MemoryDataset(host, cache=cache), host, batch_size=25)


def test_two_trainings_decode_once(root, cache):
    host = make_dataset(root / "image", "image")
    key, decoded = next(iter(CAMERAS)), []

    def decode():
        decoded.append(threading.get_ident())
        yield from torch.arange(len(host) * 12, dtype=torch.uint8).view(-1, 3, 2, 2)

    found = []
    threads = [threading.Thread(target=lambda: found.append(cache.frames(host, key, decode))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and len(decoded) == 1
    assert all(torch.equal(frames.tensor, found[0].tensor) for frames in found)


def test_a_file_of_another_size_is_named(root, cache):
    host = make_dataset(root / "image", "image")
    path = next(iter(MemoryDataset(host, cache=cache).frames.values())).path
    os.truncate(path, 1000)
    with pytest.raises(NotInMemory, match=rf"{path} has 1,000 bytes and should have .*; remove it"):
        MemoryDataset(host, cache=cache)


def test_frames_that_are_not_the_hosts_are_noticed(root, cache):
    host = make_dataset(root / "image", "image")
    path = next(iter(MemoryDataset(host, cache=cache).frames.values())).path
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(NotInMemory, match=rf"differ in .*; remove {path.parent}"):
        MemoryDataset(host, cache=cache)


@BOTH
def test_training_maps_what_exceeds_the_limit(root, tmp_path, given, heard, cameras, no_decoding):
    hosts = [make_dataset(root / cameras, cameras, episodes=episodes) for episodes in ([0, 2], [1, 3])]
    given(*hosts)
    for limit in (100_000, 2**30):  # the second time they are used although they would fit
        with fast_loading(limit_bytes=limit, cache_dir=tmp_path / "cache"):
            train, held_out = lerobot_train.make_train_eval_datasets(CONFIG)
        assert train.mapped_bytes > 100_000 and held_out.mapped_bytes > 100_000
        no_decoding()
    sizes = "observation.images.top 64×96, 18,432 bytes a frame; observation.images.wrist 64×64, 12,288 bytes a frame"
    place = f"{tmp_path / 'cache'}, 19 frames and 6 held out, 0.0 GiB on disk"
    assert heard() == [f"data: images mapped from {place}; {sizes}"] * 2


def test_what_fits_writes_no_file(root, tmp_path, given, heard):
    for name in ("state", "image"):
        given(make_dataset(root / name, None if name == "state" else name))
        with fast_loading(cache_dir=tmp_path / "cache"):
            train, _ = lerobot_train.make_train_eval_datasets(CONFIG)
        assert train.mapped_bytes == 0
    assert not (tmp_path / "cache").exists()
    assert all(line.startswith("data: in memory") for line in heard())


@pytest.mark.parametrize("trouble", ["full", "file"])
def test_no_room_on_disk_leaves_lerobots_loader(root, tmp_path, given, heard, monkeypatch, trouble):
    host = make_dataset(root / "image", "image")
    given(host)
    place: Path = tmp_path / "cache"
    if trouble == "full":
        monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=2**30 + 1000))
    else:
        place.touch()
    with fast_loading(limit_bytes=100_000, cache_dir=place):
        assert lerobot_train.make_train_eval_datasets(CONFIG) == (host, None)
    expected = {"full": "1.0 GiB free, of which 1 must stay so", "file": f"cache_dir={place} cannot be made"}
    assert len(heard()) == 1 and expected[trouble] in heard()[0]
