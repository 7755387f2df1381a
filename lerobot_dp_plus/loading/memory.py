"""`MemoryDataset`: the samples of a LeRobotDataset, gathered a batch at a time from tensors in memory or mapped there.

LeRobot 0.6.1 builds every sample from the Arrow table and spends its time on copies of feature descriptions. Here every
column is one tensor, a window is one gather, and what comes out equals LeRobot's default-collated batch bit for bit.
"""

from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

import torch
from lerobot.datasets import LeRobotDataset
from torch import Tensor
from torch.utils.data import Dataset

from lerobot_dp_plus.encoders import shrunk
from lerobot_dp_plus.loading.columns import Column, NotInMemory, read_column
from lerobot_dp_plus.loading.disk import FrameCache, MappedFrames
from lerobot_dp_plus.loading.frames import frame_bytes, image_frames, stack, video_frames, watched
from lerobot_dp_plus.loading.refusing import refuse_oversize, refuse_unsupported
from lerobot_dp_plus.loading.sizes import AS_RECORDED, Sizes, at_size


class CollatedBatch(MutableMapping):
    """A finished batch that passes through torch's `default_collate` unchanged and comes out as a plain dict.

    `default_collate` copies its first element and updates the copy with the collated value of every key met when
    iterating. The copy of this object is the batch, and iterating it meets no key: nothing is left to collate.
    No global registry is touched, so spawned workers and accelerate's re-wrapped loaders handle it too.
    """

    def __init__(self, batch: dict[str, Any]) -> None:
        self._batch = batch

    def __copy__(self) -> dict[str, Any]:
        return dict(self._batch)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def _refuse(self, *_: object) -> Any:
        raise TypeError(
            "this batch is already collated: give the DataLoader no collate_fn, or index samples one by one"
        )

    # Another collate function must fail here, and not make an empty batch of it.
    __getitem__ = __setitem__ = __delitem__ = _refuse
    keys = values = items = get = _refuse  # type: ignore[assignment]


class MemoryDataset(Dataset):
    """A LeRobotDataset whose samples come from memory; everything else is asked of the dataset it wraps.

    `dataset[i]` is LeRobot's sample. `dataset.__getitems__(rows)`, which a DataLoader calls for a batch, is LeRobot's
    default-collated batch: same keys in the same order, same values, dtypes and shapes. Image transforms are applied
    sample by sample in LeRobot's order, so they draw the same random numbers.

    Args:
        host: dataset to hold; its episode subset, delta timestamps and image transforms apply.
        limit_bytes: most bytes that what is held in memory may take; None is no limit.
        cache: where decoded frames are kept instead of in memory; None keeps them in memory.
        as_bytes: cameras stored as images give uint8 too, as those stored as video do, where LeRobot gives float/255.
            A quarter of the bytes to gather and to move; LeRobot's training divides on the device. Not with image
            transforms, which see other numbers then.
        sizes: the (height, width) of cameras whose pictures are held shrunk, as `encoders/resize.py` does it. A sample then
            has these pictures, and all else as it is.

    Raises:
        NotInMemory: the dataset does not fit or cannot be held exactly; the message says why.
    """

    def __init__(
        self,
        host: LeRobotDataset,
        limit_bytes: int | None = None,
        *,
        cache: FrameCache | None = None,
        as_bytes: bool = False,
        sizes: Sizes = AS_RECORDED,
    ) -> None:
        refuse_unsupported(host)
        self.host = host
        self.frames: dict[str, Tensor | MappedFrames] = {}
        self.sizes = dict(sizes)
        self._as_bytes = as_bytes and host.image_transforms is None
        table = host.hf_dataset.with_format("arrow")[:]
        images = set(host.meta.image_keys)
        self.columns: dict[str, Column] = {
            name: read_column(name, table[name]) for name in table.column_names if name not in images
        }
        refuse_oversize(self.nbytes + (0 if cache else frame_bytes(host, self.sizes)), limit_bytes)
        self._tasks = list(host.meta.tasks.index)
        self._start, self._stop = self._episode_bounds()
        self._windows = self._frame_offsets()
        self._deltas = {deltas: torch.tensor(deltas) for deltas in self._windows.values()}

        for key in host.meta.camera_keys:

            def decode(key: str = key) -> Iterator[Tensor]:
                if key in images:
                    recorded = image_frames(host, key, table[key])
                else:
                    recorded = video_frames(host, key, self._tensor("episode_index"), self._tensor("timestamp"))
                stated = tuple(host.meta.features[key]["shape"])
                return watched(at_size(recorded, key, self.sizes, stated), key, len(self))

            size = self.sizes.get(key)
            self.frames[key] = cache.frames(host, key, decode, size) if cache else stack(decode(), len(self))
        refuse_oversize(self.nbytes, limit_bytes)  # the metadata may have understated the frames
        # LeRobot's order of keys: videos, columns, padding, task.
        self._order = [*host.meta.video_keys, *table.column_names]
        self._refuse_difference()

    def __len__(self) -> int:
        return len(self._start)

    def __getitem__(self, row: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        """LeRobot's sample at a row of the selected episodes; for a slice, a list of them.

        Raises:
            IndexError: the row is outside [-len, len).
        """
        if isinstance(row, slice):
            return [self._sample(position) for position in range(*row.indices(len(self)))]
        return self._sample(row)

    def __getitems__(self, rows: Sequence[int]) -> list[CollatedBatch]:
        """The rows as one finished batch, in the one-element list that the DataLoader hands to its collate."""
        return [CollatedBatch(self.batch(rows))]

    def __getattr__(self, name: str) -> Any:
        # Private names are not the host's: pickle and copy ask for them before `host` exists.
        if name == "host" or name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.host, name)

    @property
    def nbytes(self) -> int:
        """Bytes held in tensors; mapped files are not."""
        held = [*self.columns.values(), *self.frames.values()]
        return sum(values.nbytes for values in held if isinstance(values, Tensor))

    @property
    def mapped_bytes(self) -> int:
        """Bytes of the files that are mapped."""
        return sum(frames.tensor.nbytes for frames in self.frames.values() if isinstance(frames, MappedFrames))

    def batch(self, rows: Sequence[int]) -> dict[str, Any]:
        """LeRobot's default-collated batch of B rows; every tensor opens with B and is the caller's to change.

        Raises:
            IndexError: a row is outside [-len, len).
        """
        index = torch.as_tensor(rows, dtype=torch.int64)
        start, stop = self._start[index], self._stop[index]
        index = torch.where(index < 0, index + len(self), index)

        gathers: dict[tuple[int, ...], tuple[Tensor, Tensor]] = {}
        for deltas, offsets in self._deltas.items():
            wanted = index[:, None] + offsets  # (B, T)
            first, last = start[:, None], stop[:, None] - 1
            gathers[deltas] = (wanted.clamp(first, last), (wanted < first) | (wanted > last))

        batch: dict[str, Any] = {}
        for key in self._order:
            taken = gathers[self._windows[key]][0] if key in self._windows else index
            batch[key] = self._images(key, taken) if key in self.frames else _take(self.columns[key], taken)
        for key, deltas in self._windows.items():
            batch[f"{key}_is_pad"] = gathers[deltas][1].clone()  # one tensor a key, as the host has it
        self._transform_images(batch, len(index))
        batch["task"] = [self._tasks[task] for task in batch["task_index"].tolist()]
        return batch

    def _sample(self, row: int) -> dict[str, Any]:
        return {key: values[0] for key, values in self.batch([row]).items()}

    def _images(self, key: str, rows: Tensor) -> Tensor:
        """Frames as the host's decoder gives them: (B, C, H, W), or (B, T, C, H, W) for a window."""
        frames = _take(self.frames[key], rows)
        is_video = key in self.host.meta.video_keys
        if is_video and rows.ndim == 2 and rows.shape[1] == 1:
            frames = frames.squeeze(1)  # LeRobot drops the window of a single video frame, and of nothing else
        if self.host._return_uint8 if is_video else self._as_bytes:
            return frames
        return frames.to(torch.get_default_dtype()).div_(255)

    def _transform_images(self, batch: dict[str, Any], size: int) -> None:
        transform = self.host.image_transforms
        cameras = self.host.meta.camera_keys
        if transform is None or not cameras:
            return
        samples = [[transform(batch[key][position]) for key in cameras] for position in range(size)]
        for key, images in zip(cameras, zip(*samples, strict=True), strict=True):
            batch[key] = torch.utils.data.default_collate(list(images))

    def _tensor(self, name: str) -> Tensor:
        column = self.columns.get(name)
        if not isinstance(column, Tensor):
            raise NotInMemory(f"it has no column of numbers named {name!r}")
        return column

    def _frame_offsets(self) -> dict[str, tuple[int, ...]]:
        """Frame offsets of every key with delta timestamps."""
        windows = {key: tuple(deltas) for key, deltas in (self.host.reader.delta_indices or {}).items()}
        numbers = {key for key, column in self.columns.items() if isinstance(column, Tensor)}
        if unknown := sorted(set(windows) - numbers - set(self.host.meta.camera_keys)):
            raise NotInMemory(f"delta timestamps name {unknown}, which are neither numbers nor images")
        return windows

    def _episode_bounds(self) -> tuple[Tensor, Tensor]:
        """First row of each row's episode and one past its last, two (N,) tensors."""
        episodes, meta = self._tensor("episode_index"), self.host.meta.episodes
        # [:] reads a column at once; element by element it is a query for every episode.
        first = torch.tensor(meta["dataset_from_index"][:])[episodes]
        length = torch.tensor(meta["dataset_to_index"][:])[episodes] - first
        _, run, counts = torch.unique_consecutive(episodes, return_inverse=True, return_counts=True)
        start = (counts.cumsum(0) - counts)[run]
        rows = torch.arange(len(episodes))
        # A window is gathered as neighbouring rows; that holds if every episode is one whole, unbroken run of rows.
        if not (torch.equal(counts[run], length) and torch.equal(self._tensor("index") - first, rows - start)):
            raise NotInMemory("the frames of an episode are not stored one after another")
        if self.host.absolute_to_relative_idx is None and not torch.equal(self._tensor("index"), rows):
            raise NotInMemory("its rows are not in the order of their frame indices")
        return start, start + length

    def _refuse_difference(self) -> None:
        """Compare a few samples with the host's, so that a change in LeRobot ends the shortcut and not the equality."""
        transform, as_bytes = self.host.image_transforms, self._as_bytes
        self.host.clear_image_transforms()  # they may be random
        self._as_bytes = False
        try:
            for row in {0, len(self) // 2, len(self) - 1}:
                ours, theirs = self._sample(row), self.host[row]
                if list(ours) != list(theirs):
                    raise NotInMemory(f"its samples have keys {list(theirs)}, those in memory {list(ours)}")
                for key in theirs:
                    expected = shrunk(theirs[key], self.sizes[key]) if key in self.sizes else theirs[key]
                    if not identical(ours[key], expected):
                        held = self.frames.get(key)
                        hint = f"; remove {held.path.parent}" if isinstance(held, MappedFrames) else ""
                        raise NotInMemory(f"its sample {row} and the one in memory differ in {key!r}{hint}")
        finally:
            self.host.set_image_transforms(transform)
            self._as_bytes = as_bytes


def identical(left: Any, right: Any) -> bool:
    """Whether two values are the same bit for bit: type, and for tensors dtype, shape and every element (NaN too)."""
    if not (isinstance(left, Tensor) and isinstance(right, Tensor)):
        return type(left) is type(right) and left == right
    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    return left.contiguous().numpy().tobytes() == right.contiguous().numpy().tobytes()


def _take(column: Column | MappedFrames, rows: Tensor) -> Any:
    """Rows of a column, in the shape of `rows`; a fresh tensor, or a list for strings."""
    if isinstance(column, MappedFrames):
        column = column.tensor
    if isinstance(column, Tensor):
        return column.index_select(0, rows.flatten()).unflatten(0, rows.shape)
    return [column[row] for row in rows.tolist()]
