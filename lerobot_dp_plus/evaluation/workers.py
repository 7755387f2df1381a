"""Batches played by several processes, one batch each at a time; every batch is written by the process that played it."""

import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import torch

from lerobot_dp_plus.evaluation.batches import Batch, Parts
from lerobot_dp_plus.evaluation.perturbing import Perturbation
from lerobot_dp_plus.evaluation.player import Player

_here: Any = None  # the player of this process, and where it writes


def workers_for(batches: int, asked: int | None, one_stream: bool) -> int:
    """How many processes play: as many as asked for, or as cores are free, and never more than there are batches.

    Raises:
        ValueError: fewer than one, or several for batches that must follow each other.
    """
    if asked is not None and asked < 1:
        raise ValueError(f"workers = {asked}: expected at least 1")
    if one_stream and asked is not None and asked > 1:
        raise ValueError(
            f"workers = {asked}: with one_stream each batch goes on with the random numbers of the batch before, so one "
            "process plays all; leave one of the two out"
        )
    return 1 if one_stream else max(1, min(batches, asked or cores()))


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def played(
    batches: Sequence[Batch],
    parts: Parts,
    arguments: Sequence[str],
    workers: int,
    threads: int,
    perturbation: Perturbation | None = None,
) -> Iterator[Batch]:
    """Play the batches in `workers` processes with `threads` of torch's each; yields each one that is written.

    What is written stays, whatever ends this: a process that is stopped loses the batch it was at.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])  # what takes seconds to import is imported once for all
    pool = ProcessPoolExecutor(workers, context, _begin, (list(arguments), str(parts.folder), threads, perturbation))
    try:
        waiting = {pool.submit(_play, batch): batch for batch in batches}
        for done in as_completed(waiting):
            done.result()
            yield waiting[done]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _begin(arguments: list[str], folder: str, threads: int, perturbation: Perturbation | None) -> None:
    global _here
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    torch.set_num_threads(threads)
    _here = Player(arguments, perturbation=perturbation), Parts(Path(folder))


def _end_with_the_parent() -> None:
    """Who is killed cannot end its processes; they see to it themselves."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _play(batch: Batch) -> None:
    player, parts = _here
    parts.write(batch, *player.play(batch))
