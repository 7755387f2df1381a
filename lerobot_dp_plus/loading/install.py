"""`lerobot-train` on data in memory or mapped from disk, for as long as a context is open."""

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from lerobot_dp_plus.encoders import KeptFeatures, keeping
from lerobot_dp_plus.loading.columns import NotInMemory
from lerobot_dp_plus.loading.disk import FrameCache
from lerobot_dp_plus.loading.features import room_for_features, say_kept
from lerobot_dp_plus.loading.frames import frame_bytes
from lerobot_dp_plus.loading.memory import MemoryDataset
from lerobot_dp_plus.loading.mixture import MixtureDataset
from lerobot_dp_plus.loading.refusing import refuse_excluded, refuse_unsupported
from lerobot_dp_plus.loading.sizes import held_sizes
from lerobot_dp_plus.patches import replaced

logger = logging.getLogger(__name__)

#: Fifty episodes of 15 s at 30 frames a second, from two cameras, take 4.7 GiB at 168×224.
DEFAULT_LIMIT_BYTES = 6 * 2**30
SHARED_MEMORY = Path("/dev/shm")

MakeDatasets = Callable[[Any], tuple[Any, Any]]


@contextmanager
def fast_loading(
    enabled: bool = True,
    limit_bytes: int = DEFAULT_LIMIT_BYTES,
    cache_dir: Path | str | None = None,
    *,
    workers_asked: bool = True,
) -> Iterator[None]:
    """While open, LeRobot's training script trains from memory where that gives the same batches, and says so.

    Images stay bytes until LeRobot's training loop divides them by 255, on the device; on a CPU that gives its own
    loader's numbers bit for bit. Frames beyond the limit are kept in `cache_dir`, and what is there already is used. What a
    frozen image encoder sees of them is kept in the memory that they leave (`features.py`).

    One log line per training names the loader in use and, where it is LeRobot's, the reason. On leaving, by an
    exception too, the script is as it was.

    Args:
        enabled: False keeps LeRobot's loader.
        limit_bytes: most bytes that columns, decoded images and features of frozen encoders, training and held-out
            together, may take in each training process.
        cache_dir: folder for decoded frames that exceed the limit; None leaves such datasets to LeRobot's loader.
        workers_asked: whether somebody chose `num_workers`. If not, data in memory are read without them: LeRobot's four
            take half a minute to start, and the processor from a training that has nothing to wait for.

    Raises:
        ValueError: limit_bytes is negative, or LeRobot's training gets its data in another way than this can replace.
    """
    if limit_bytes < 0:
        raise ValueError(f"limit_bytes={limit_bytes} is not a size; give 0 or more bytes")
    cache = None if cache_dir is None else FrameCache(cache_dir)
    from lerobot.scripts import lerobot_train  # seconds of imports, paid only by those who train

    if enabled:
        check_host(lerobot_train, factory())
    elif not hasattr(lerobot_train, "make_train_eval_datasets"):
        yield  # there is nothing to say it with; LeRobot's loader was asked for and is what trains
        return
    original, asked = lerobot_train.make_train_eval_datasets, False
    features = KeptFeatures()

    def make_train_eval_datasets(cfg: Any) -> tuple[Any, Any]:
        nonlocal asked
        asked = True
        made = _make_datasets(original, cfg, enabled, limit_bytes, cache, workers_asked)
        held = _nbytes(*(dataset for dataset in made if isinstance(dataset, MemoryDataset)))
        features.open(room_for_features(cfg, made[0], limit_bytes - held) if enabled else 0)
        return made

    with replaced(lerobot_train, "make_train_eval_datasets", make_train_eval_datasets), keeping(features):
        yield
        say_kept(features.looked, features.computed, features.nbytes)
        if enabled and not asked:
            logger.warning(
                "data: nothing was loaded from memory, because LeRobot's training did not ask for its data here"
            )


def factory() -> ModuleType:
    """LeRobot's module that makes datasets."""
    from lerobot.datasets import factory

    return factory


def check_host(script: Any, datasets: Any) -> None:
    """See that LeRobot's training still takes its data where `fast_loading` puts them.

    Raises:
        ValueError: it does not; training would be as slow as with LeRobot's loader, without a word.
    """
    for owner, name in ((script, "make_train_eval_datasets"), (datasets, "resolve_delta_timestamps")):
        if not callable(getattr(owner, name, None)):
            raise ValueError(
                f"{owner.__name__}.{name} is gone in the installed lerobot {version('lerobot')}: training cannot be fed from "
                "memory here. --fast_loading=false trains with LeRobot's loader; the lerobot that lerobot_policy_dp_plus "
                "asks for trains from memory"
            )


def _make_datasets(
    original: MakeDatasets, cfg: Any, enabled: bool, limit_bytes: int, cache: FrameCache | None, workers_asked: bool
) -> tuple[Any, Any]:
    """LeRobot's training and held-out datasets, in memory or mapped if both can be."""
    hosts = original(cfg)
    try:
        if not enabled:
            raise NotInMemory("loading from memory is switched off")
        train, held_out = _hold(cfg, hosts, limit_bytes, cache)
    except NotInMemory as reason:
        logger.info("data: LeRobot's loader, because %s", reason)
        return hosts
    count = f"{len(train):,} frames" + (f" and {len(held_out):,} held out" if held_out is not None else "")
    if mapped := sum(dataset.mapped_bytes for dataset in (train, held_out) if dataset is not None):
        place = "" if cache is None else cache.root
        logger.info(
            "data: images mapped from %s, %s, %.1f GiB on disk%s", place, count, mapped / 2**30, _cameras(train)
        )
    else:
        logger.info("data: in memory, %s, %.1f MiB%s", count, _nbytes(train, held_out) / 2**20, _cameras(train))
    _leave_out_crowded_workers(cfg, train, held_out)
    if cfg.num_workers > 0 and not mapped and not workers_asked:
        cfg.num_workers = 0
    if cfg.num_workers > 0 and not mapped:
        logger.info("data: workers have nothing to wait for here; --num_workers=0 starts sooner")
    return train, held_out


def _cameras(dataset: MemoryDataset) -> str:
    """How large a frame of every camera is, for the log."""
    shapes = {key: dataset.frames[key].shape[1:] for key in dataset.frames}
    return "".join(f"; {key} {h}×{w}, {c * h * w:,} bytes a frame" for key, (c, h, w) in shapes.items())


def excluded_episodes(cfg: Any) -> list[int]:
    """The episodes that `--dataset.exclude_episodes` leaves out, where LeRobot has that."""
    return list(getattr(getattr(cfg, "dataset", None), "exclude_episodes", None) or ())


def _hold(
    cfg: Any, hosts: tuple[Any, Any], limit_bytes: int, cache: FrameCache | None
) -> tuple[MemoryDataset, MemoryDataset | None]:
    present = [host for host in hosts if host is not None]
    if isinstance(hosts[0], MixtureDataset):
        return _hold_parts(cfg, hosts[0], limit_bytes), None  # type: ignore[return-value]
    for host in present:
        refuse_unsupported(host)
        refuse_excluded(host, excluded_episodes(cfg))
    sizes = held_sizes(cfg, present[0])
    # Known before the first image is decoded: a held-out set must not turn minutes of decoding into nothing.
    needed = sum(frame_bytes(host, sizes) for host in present)
    if cache is not None and needed and (needed > limit_bytes or all(cache.holds(host, sizes) for host in present)):
        cache.refuse_full_disk((host, sizes) for host in present)
    elif needed > limit_bytes:
        raise NotInMemory(
            f"the images take {needed / 2**20:,.1f} MiB decoded and the limit is {limit_bytes / 2**20:,.1f} MiB; "
            f"`lerobot train` takes memory_limit_gb={needed // 2**30 + 1} or, for disk, cache_dir=DIR"
        )
    else:
        cache = None
    train = MemoryDataset(hosts[0], limit_bytes, cache=cache, as_bytes=True, sizes=sizes)
    if hosts[1] is None:
        return train, None
    return train, MemoryDataset(hosts[1], limit_bytes - train.nbytes, cache=cache, as_bytes=True, sizes=sizes)


def _hold_parts(cfg: Any, mixture: MixtureDataset, limit_bytes: int) -> MixtureDataset:
    """The datasets of several robots, each in memory."""
    for host in mixture.datasets:
        refuse_unsupported(host)
    sizes = [held_sizes(cfg, host) for host in mixture.datasets]
    needed = sum(frame_bytes(host, size) for host, size in zip(mixture.datasets, sizes, strict=True))
    if needed > limit_bytes:
        raise NotInMemory(
            f"the images take {needed / 2**20:,.1f} MiB decoded and the limit is {limit_bytes / 2**20:,.1f} MiB; "
            f"`lerobot train` takes memory_limit_gb={needed // 2**30 + 1}"
        )
    each = iter(sizes)
    return mixture.held(lambda host: MemoryDataset(host, as_bytes=True, sizes=next(each)))


def _nbytes(*datasets: MemoryDataset | None) -> int:
    return sum(dataset.nbytes for dataset in datasets if dataset is not None)


def _leave_out_crowded_workers(cfg: Any, *datasets: MemoryDataset | None) -> None:
    """Spawned workers receive the tensors through shared memory, which containers often keep very small: then none is used."""
    if cfg.num_workers == 0 or cfg.dataloader_multiprocessing_context == "fork" or not SHARED_MEMORY.is_dir():
        return
    free = shutil.disk_usage(SHARED_MEMORY).free
    # Half is left to the batches on their way.
    if (needed := _nbytes(*datasets)) > free // 2:
        logger.info(
            "data: num_workers=0 instead of %d, which would need %s MiB of shared memory, and %s has %s MiB free",
            *(cfg.num_workers, f"{needed / 2**20:,.1f}", SHARED_MEMORY, f"{free / 2**20:,.1f}"),
        )
        cfg.num_workers = 0
