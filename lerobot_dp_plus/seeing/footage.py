"""A recording's pictures at the size at which they are explained, and where the robot is in them."""

from pathlib import Path

import torch
from lerobot.datasets import LeRobotDataset
from lerobot.utils.constants import OBS_STATE
from lerobot.utils.feature_utils import dataset_to_policy_features

from lerobot_dp_plus.encoders import size_for
from lerobot_dp_plus.loading import MemoryDataset, NotInMemory
from lerobot_dp_plus.policies.folders import local_name
from lerobot_dp_plus.sprites import EXPLAINED, Frames, View

INFO = Path("meta/info.json")


def opened(source: str) -> LeRobotDataset:
    """The recording in a folder, or of USER/NAME on the Hub, which is fetched."""
    if (Path(source) / INFO).is_file():
        return LeRobotDataset(local_name(source), root=source, video_backend="pyav")
    return LeRobotDataset(source, video_backend="pyav")


def camera_of(dataset: LeRobotDataset, asked: str | None) -> str:
    """The camera to look through.

    Raises:
        ValueError: there is none, the one asked for is not there, or there are several and none was asked for.
    """
    cameras = list(dataset.meta.camera_keys)
    if not cameras:
        raise ValueError(f"{dataset.root} has no camera, so there is nothing to see")
    if asked is None and len(cameras) > 1:
        raise ValueError(f"{dataset.root} has the cameras {', '.join(cameras)}: --camera says which one sees the thing")
    if asked is not None and asked not in cameras:
        raise ValueError(f"camera = {asked!r}: {dataset.root} has {', '.join(cameras)}")
    return asked or cameras[0]


def frames_of(dataset: LeRobotDataset, camera: str, view: View | None) -> Frames:
    """All pictures of a camera, made small; with a view also where the robot is in them.

    Raises:
        ValueError: states have no two coordinates, or the pictures have no three colours or cannot be held.
    """
    channels, height, width = dataset_to_policy_features({camera: dataset.meta.features[camera]})[camera].shape
    if channels != 3:
        raise ValueError(f"{camera} has {channels} channels; pictures of three colours can be looked at")
    size = size_for(EXPLAINED, camera, (height, width))
    # The others are not looked at; at one pixel they cost nothing but their decoding.
    sizes = {key: size if key == camera else (1, 1) for key in dataset.meta.camera_keys}
    if view is not None and (
        OBS_STATE not in dataset.meta.features or dataset.meta.features[OBS_STATE]["shape"][0] < 2
    ):
        raise ValueError(
            f"{dataset.root} has no {OBS_STATE} of two coordinates or more, which would say where the robot is in the picture; "
            "--no-robot does without"
        )
    try:
        held = MemoryDataset(dataset, sizes=sizes)
    except NotInMemory as reason:
        raise ValueError(f"{dataset.root} cannot be looked at, because {reason}") from reason
    pictures = held.frames[camera]
    assert isinstance(pictures, torch.Tensor)
    if view is None:
        return Frames(pictures, None)
    states = held.columns[OBS_STATE]
    assert isinstance(states, torch.Tensor)
    return Frames(pictures, view.pixels(states[:, :2].float(), size))
