"""Cameras held at the size that the policy sees: shrunk once, and counted so."""

from types import SimpleNamespace

import pytest
import torch
from lerobot.scripts import lerobot_train
from made_up_datasets import CAMERAS, CONFIG, make_dataset
from torchvision.transforms.v2 import ColorJitter

from lerobot_dp_plus.encoders import SmallCnnConfig, shrunk
from lerobot_dp_plus.loading import FrameCache, MemoryDataset, NotInMemory, fast_loading
from lerobot_dp_plus.loading.frames import frame_bytes
from lerobot_dp_plus.loading.memory import identical
from lerobot_dp_plus.loading.sizes import at_size, held_sizes

TOP, WRIST = CAMERAS
SIZES = {TOP: (32, 48)}  # of 64×96; the other camera stays as it is
BOTH = pytest.mark.parametrize("cameras", ["image", "video"])


def training(resize, **fields):
    """A training's config, as far as it is looked at, of a policy that shrinks its pictures."""
    policy = SimpleNamespace(type="dp_plus_unet", image_encoder=SmallCnnConfig(resize=resize), input_features=None)
    return SimpleNamespace(**vars(CONFIG) | {"policy": policy} | fields)


@BOTH
@pytest.mark.parametrize("on_disk", [False, True])
def test_samples_are_the_hosts_but_for_pictures_that_are_shrunk(root, tmp_path, cameras, on_disk):
    host = make_dataset(root / cameras, cameras, return_uint8=True)
    cache = FrameCache(tmp_path) if on_disk else None
    held = MemoryDataset(host, cache=cache, sizes=SIZES)
    for row in (0, 7, 24):
        ours, theirs = held[row], host[row]
        assert list(ours) == list(theirs)
        for key, value in theirs.items():
            assert identical(ours[key], shrunk(value, SIZES[key]) if key in SIZES else value), key
    bytes_ = 25 * 3 * (32 * 48 + 64 * 64)
    assert frame_bytes(host, SIZES) == bytes_
    assert sum(frames.tensor.nbytes if on_disk else frames.nbytes for frames in held.frames.values()) == bytes_


def test_each_size_has_its_own_place_on_the_disk(root, tmp_path):
    host, cache = make_dataset(root / "image", "image"), FrameCache(tmp_path)
    MemoryDataset(host, cache=cache, sizes=SIZES)
    assert cache.holds(host, SIZES)
    assert not cache.holds(host) and not cache.holds(host, {TOP: (16, 24)})
    places = {cache.folder(host, TOP, size) for size in (None, (32, 48), (16, 24), (24, 16))}
    assert len(places) == 4


def test_the_limit_counts_what_is_held(root, given, heard):
    host = make_dataset(root / "image", "image")
    given(host)
    whole, small = MemoryDataset(host).nbytes, MemoryDataset(host, sizes={TOP: (16, 24), WRIST: (24, 24)}).nbytes
    assert small < whole / 5
    with fast_loading(limit_bytes=small):
        assert lerobot_train.make_train_eval_datasets(training(None))[0] is host
        held = lerobot_train.make_train_eval_datasets(training(24))[0]
    assert held.nbytes == small
    assert f"; {TOP} 16×24, 1,152 bytes a frame; {WRIST} 24×24, 1,728 bytes a frame" in heard()[-1]


def test_the_policys_name_of_a_camera_decides(root):
    host = make_dataset(root / "image", "image")
    renamed = training({"observation.images.front": 48, WRIST: None}, rename_map={TOP: "observation.images.front"})
    assert held_sizes(renamed, host) == SIZES
    with pytest.raises(ValueError, match=r"resize names observation\.images\.front; the cameras are"):
        held_sizes(training({"observation.images.front": 48, TOP: 48, WRIST: None}), host)


def test_cameras_that_the_policy_does_not_read_stay_as_they_are(root):
    host = make_dataset(root / "image", "image")
    one = training({TOP: 48})
    one.policy.input_features = {TOP: None, "observation.state": None}
    assert held_sizes(one, host) == SIZES


def test_policies_of_other_packages_get_whole_pictures(root):
    host = make_dataset(root / "image", "image")
    other = training(24)
    other.policy.type = "diffusion"
    assert held_sizes(other, host) == held_sizes(CONFIG, host) == {}


def test_lerobots_image_transforms_see_whole_pictures(root, heard):
    host = make_dataset(root / "image", "image", image_transforms=ColorJitter(0.5))
    assert held_sizes(training(24), host) == {}
    assert "image_transforms see whole pictures" in heard()[0]


def test_frames_of_another_size_than_the_dataset_states_are_not_held():
    frames = iter([torch.zeros(3, 64, 96, dtype=torch.uint8), torch.zeros(3, 60, 96, dtype=torch.uint8)])
    shrinking = at_size(frames, TOP, SIZES, CAMERAS[TOP]["shape"])
    assert next(shrinking).shape == (3, 32, 48)
    with pytest.raises(NotInMemory, match=r"are \(3, 60, 96\), and the dataset states \(64, 96, 3\)"):
        next(shrinking)
