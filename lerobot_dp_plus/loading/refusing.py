"""Datasets whose samples cannot be held exactly, each with the reason."""

from collections.abc import Sequence
from importlib.metadata import version

import pyarrow.compute as pc
from lerobot.datasets import LeRobotDataset

from lerobot_dp_plus.loading.columns import NotInMemory

#: What is read of a LeRobotDataset and might not be there in another LeRobot.
READ_OF_HOST = ("hf_dataset", "reader", "absolute_to_relative_idx", "tolerance_s", "_return_uint8", "_video_backend")


def refuse_unsupported(dataset: object) -> None:
    """Raise `NotInMemory` for a dataset whose samples are not plain tensors, images and strings."""
    if not isinstance(dataset, LeRobotDataset):
        raise NotInMemory(f"a {type(dataset).__name__} is not read by row")
    if absent := [name for name in READ_OF_HOST if not hasattr(dataset, name)]:
        raise NotInMemory(f"a dataset of lerobot {version('lerobot')} has no {', '.join(absent)}, which are read here")
    if dataset.meta.has_language_columns:
        raise NotInMemory("it has language columns, which need a collate function of their own")
    if dataset.meta.depth_keys:
        raise NotInMemory(f"it has depth images {dataset.meta.depth_keys}, which are not 8-bit")


def refuse_excluded(host: LeRobotDataset, excluded: Sequence[int]) -> None:
    """Raise `NotInMemory` if episodes that a training leaves out are among the rows, which are all taken here."""
    if not excluded:
        return
    rows = host.hf_dataset.select_columns("episode_index").with_format("arrow")[:]["episode_index"]
    if kept := sorted(set(excluded) & set(pc.unique(rows).to_pylist())):
        raise NotInMemory(
            f"dataset.exclude_episodes leaves out {kept[:10]}, whose frames are among the rows of the dataset that LeRobot "
            "made of it: it leaves them out in another way, which is not known here"
        )


def refuse_oversize(needed: int, limit: int | None) -> None:
    """Raise `NotInMemory` if `needed` bytes are more than the limit."""
    if limit is not None and needed > limit:
        raise NotInMemory(f"it takes {needed / 2**20:,.1f} MiB and the limit is {limit / 2**20:,.1f} MiB")
