"""Datasets of several robots as one, for a training on all of them: drawn from by weight, padded to a common width.

LeRobot's training draws from a dataset through its own sampler of episodes. Here an epoch goes through each dataset a whole
number of times, so that shares come out as the weights say (`mixtures.repeats`), and order and resuming stay LeRobot's.
"""

import copy
import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import pandas as pd
import torch
from lerobot.datasets import LeRobotDataset, LeRobotDatasetMetadata
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from lerobot_dp_plus.host_hooks import is_ours
from lerobot_dp_plus.loading.agreeing import check_agreement, read_features, union
from lerobot_dp_plus.loading.memory import CollatedBatch, MemoryDataset
from lerobot_dp_plus.mixtures import Entry, entries, repeats
from lerobot_dp_plus.notation import EMBODIMENT

logger = logging.getLogger(__name__)

ACTION, PADDED = "action", "_is_pad"
#: What a part must be able to say of its samples, whichever robot's they are.
COMMON = ("timestamp", "frame_index", "episode_index", "index", "task_index", "task")


class MixtureMeta:
    """What LeRobot's training asks of a dataset's metadata, of several.

    Attributes:
        parts: the metadata of each, by robot; it has their statistics.
        shares: which part of the samples is of each robot.
        features: those that all are padded to.
        episodes: where episodes begin and end among the frames of an epoch, those of a repeated dataset several times.
    """

    root = None
    has_language_columns = False
    depth_keys: tuple[str, ...] = ()
    robot_type = None

    def __init__(self, entries: Sequence[Entry], datasets: Sequence[Any], counts: Sequence[int]):
        self.parts = {entry.name: dataset.meta for entry, dataset in zip(entries, datasets, strict=True)}
        self.repo_id = ", ".join(entry.where for entry in entries)
        self.features: dict[str, Any] = union(self.parts)
        self.fps = datasets[0].meta.fps
        self.stats: dict[str, Any] = {}
        kinds = {key: feature["dtype"] for key, feature in self.features.items()}
        self.image_keys = [key for key, kind in kinds.items() if kind == "image"]
        self.video_keys = [key for key, kind in kinds.items() if kind == "video"]
        self.camera_keys = [*self.image_keys, *self.video_keys]
        self.tasks = pd.concat([dataset.meta.tasks for dataset in datasets])
        sizes = [count * len(dataset) for count, dataset in zip(counts, datasets, strict=True)]
        self.shares = {name: size / sum(sizes) for name, size in zip(self.parts, sizes, strict=True)}
        bounds: list[tuple[int, int]] = []
        for dataset, count in zip(datasets, counts, strict=True):
            episodes = dataset.meta.episodes
            for _ in range(count):
                first = bounds[-1][1] if bounds else 0
                pairs = zip(episodes["dataset_from_index"], episodes["dataset_to_index"], strict=True)
                bounds += [(first + int(start), first + int(stop)) for start, stop in pairs]
        self.episodes = {"dataset_from_index": [a for a, _ in bounds], "dataset_to_index": [b for _, b in bounds]}
        self.total_frames = sum(len(dataset) for dataset in datasets)
        self.total_episodes = sum(dataset.meta.total_episodes for dataset in datasets)


class MixtureDataset(Dataset):
    """The samples of several datasets, each padded with zeros, and the number of its robot as `EMBODIMENT`.

    Args:
        entries: how each dataset is called and weighed.
        datasets: LeRobotDatasets, or those held in memory, with the same windows.
        steps: how many frames a sample has of each feature.
    """

    episodes = None
    absolute_to_relative_idx = None

    def __init__(self, entries: Sequence[Entry], datasets: Sequence[Any], steps: Mapping[str, int]):
        self.entries, self.datasets, self.steps = tuple(entries), tuple(datasets), dict(steps)
        counts = repeats([len(each) for each in datasets], [each.weight for each in entries])
        self.meta = MixtureMeta(entries, datasets, counts)
        sizes = [count * len(each) for count, each in zip(counts, datasets, strict=True)]
        self._ends = torch.tensor(list(accumulate(sizes)))
        self.num_frames, self.num_episodes = self.meta.total_frames, self.meta.total_episodes

    def held(self, hold: Callable[[Any], Any]) -> "MixtureDataset":
        """The same with `hold` of every dataset in its place."""
        return MixtureDataset(self.entries, [hold(each) for each in self.datasets], self.steps)

    @property
    def nbytes(self) -> int:
        """Bytes held in memory."""
        return sum(getattr(each, "nbytes", 0) for each in self.datasets)

    @property
    def mapped_bytes(self) -> int:
        """Bytes of mapped files: parts are never mapped."""
        return 0

    @property
    def frames(self) -> dict[str, Any]:
        """The pictures that are held, by camera; of the first robot that has it."""
        found: dict[str, Any] = {}
        for each in self.datasets:
            found = {**getattr(each, "frames", {}), **found}
        return found

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, position: int) -> dict[str, Any]:
        return {key: value[0] for key, value in self.batch([position]).items()}

    def __getitems__(self, positions: Sequence[int]) -> list[CollatedBatch]:
        """A finished batch, in the one-element list that the DataLoader hands to its collate."""
        return [CollatedBatch(self.batch(positions))]

    def batch(self, positions: Sequence[int]) -> dict[str, Any]:
        """B samples as one batch; every tensor opens with B."""
        index = torch.as_tensor(positions)
        which = torch.bucketize(index, self._ends, right=True)
        found: dict[str, Any] = {EMBODIMENT: which}
        for number, dataset in enumerate(self.datasets):
            rows = (which == number).nonzero()[:, 0]
            if not len(rows):
                continue
            first = int(self._ends[number - 1]) if number else 0
            self._put(found, rows, len(index), _batch_of(dataset, ((index[rows] - first) % len(dataset)).tolist()))
        for key, feature in self.meta.features.items():
            shape = _shape(feature)
            if key not in found:  # no sample of a robot that has it
                like = torch.uint8 if len(shape) == 3 else torch.float32
                found[key] = torch.zeros(len(index), self.steps[key], *shape, dtype=like)
            found.setdefault(key + PADDED, torch.zeros(len(index), self.steps[key], dtype=torch.bool))
        return found

    def _put(self, found: dict[str, Any], rows: Tensor, size: int, batch: Mapping[str, Any]) -> None:
        """Put the samples of one robot where they belong in the batch of all."""
        for key, value in batch.items():
            if key == "task":
                said = found.setdefault(key, [""] * size)
                for row, sentence in zip(rows.tolist(), value, strict=True):
                    said[row] = sentence
            elif key in self.meta.features:
                _place(found, key, rows, size, _wide(value, self.steps[key], _shape(self.meta.features[key])))
            elif key in COMMON or key.removesuffix(PADDED) in self.meta.features:
                _place(found, key, rows, size, value)


def _place(found: dict[str, Any], key: str, rows: Tensor, size: int, value: Tensor) -> None:
    before = found.get(key)
    if before is None:
        before = value.new_zeros(size, *value.shape[1:])
    elif before.dtype != value.dtype:  # pictures of files are numbers up to 1, those of videos are bytes
        before, value = (each / 255.0 if each.dtype == torch.uint8 else each for each in (before, value))
    before[rows] = value
    found[key] = before


def _wide(value: Tensor, steps: int, shape: tuple[int, ...]) -> Tensor:
    """(B, T, …) padded to (B, T, *shape); LeRobot leaves out the last axis of features of one number."""
    if len(shape) == 3:
        return value
    value = value.reshape(len(value), steps, -1)
    return torch.nn.functional.pad(value, (0, shape[0] - value.shape[-1]))


def _shape(feature: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape of a frame as samples have it, pictures with their channels first."""
    shape = tuple(feature["shape"])
    return shape if len(shape) != 3 or shape[-1] not in (1, 3) else (shape[2], *shape[:2])


def _batch_of(dataset: Any, rows: Sequence[int]) -> dict[str, Any]:
    if isinstance(dataset, MemoryDataset):
        return dataset.batch(rows)
    return default_collate([dataset[row] for row in rows])


def made_dataset(stock: Any, cfg: Any, **others: Any) -> Any:
    """`make_dataset`: several datasets as one where `dataset.repo_id` lists them and the policy is ours.

    Raises:
        ValueError: they do not agree, or a switch of the training is of one dataset only; by name.
    """
    named = entries(cfg.dataset.repo_id)
    if named is None or not is_ours(cfg.policy):
        return stock(cfg, **others)
    _refuse_switches(cfg)
    metas = {each: LeRobotDatasetMetadata(_name(each), root=each.where if each.is_folder else None) for each in named}
    check_agreement({each.name: meta for each, meta in metas.items()}, [each.name for each in named])
    datasets: list[LeRobotDataset] = []
    for each in named:
        part = copy.copy(cfg)
        folder = each.where if each.is_folder else None
        part.dataset = dataclasses.replace(cfg.dataset, repo_id=_name(each), root=folder)
        datasets.append(stock(part, **others))
    features = {key for meta in metas.values() for key in read_features(meta)}
    steps = {
        key: len(deltas)
        for each in datasets
        for key, deltas in (each.delta_timestamps or {}).items()
        if key in features
    }
    mixture = MixtureDataset(named, datasets, steps)
    logger.info(
        "data: %d datasets as one, %s", len(named), ", ".join(f"{n} {s:.1%}" for n, s in mixture.meta.shares.items())
    )
    return mixture


def _name(entry: Entry) -> str:
    return f"local/{entry.name}" if entry.is_folder else entry.where


def _refuse_switches(cfg: Any) -> None:
    """Refuse what is of one dataset, or of one robot."""
    data = cfg.dataset
    set_ = {
        "dataset.root": data.root,
        "dataset.episodes": data.episodes,
        "dataset.eval_split": data.eval_split or None,
        "dataset.streaming": data.streaming or None,
        "rename_map": cfg.rename_map or None,
        "env.type": None if cfg.env is None else cfg.env.type,
    }
    ways = {"env.type": "evaluate after the training, as lerobot eval --policy.embodiment=NAME"}
    for name, value in set_.items():
        if value is not None:
            way = ways.get(name, "write a dataset that is as you want it, and list that")
            raise ValueError(
                f"{name} = {value}: it is of one dataset, and dataset.repo_id = {data.repo_id} lists several; leave it out, and {way}"
            )
