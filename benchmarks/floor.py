"""The physical limit of a chunk: weights to read and products to form, at rates this machine reaches in the same run.

    floor = max(bytes / bandwidth, operations / peak)

Bytes are those of the weights every operation of a chunk takes in, each network call anew (a call cannot begin before
the last has ended, and no cache near the core holds the weights of the next); operations are those of matrix products and
convolutions, two a multiply-add. Activations, normalisations and Python are free here, so the floor is a true one.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.common import summary, take_turns


@dataclass(frozen=True)
class Work:
    """What a call must do: bytes of weights read, floating-point operations done."""

    bytes: int
    operations: int


class _WeightsRead(TorchDispatchMode):
    """Adds up the weights that operations take in; a view reads nothing."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self._weights = {weight.untyped_storage().data_ptr() for weight in module.parameters()}
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not func.is_view:
            for value in tree_leaves((args, kwargs or {})):
                if isinstance(value, Tensor) and value.untyped_storage().data_ptr() in self._weights:
                    self.bytes += value.numel() * value.element_size()
        return func(*args, **(kwargs or {}))


def count(module: nn.Module, call: Callable[[], object]) -> Work:
    """The work of `call` with the weights of `module`."""
    # The flop counter takes products apart, so each mode gets a call of its own.
    with _WeightsRead(module) as weights:
        call()
    return Work(weights.bytes, operations(call))


def operations(call: Callable[[], object]) -> int:
    """Floating-point operations of the products and convolutions of `call`, those of backward passes included."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def peak(rounds: int, side: int = 1024, device: str = "cpu") -> list[float]:
    """Operations a second of square products, in whichever number format is faster; a figure each round.

    The most this device does, a CPU with the threads given: what is counted by `operations` takes at least its share of this.
    """
    factors = {dtype: torch.randn(side, side, dtype=dtype, device=device) for dtype in (torch.float32, torch.bfloat16)}
    with torch.no_grad():
        times = take_turns(
            {str(dtype): partial(torch.mm, factor, factor) for dtype, factor in factors.items()},
            rounds,
            label="physical limit",
        )
    return [2 * side**3 / (milliseconds / 1e3) for milliseconds in min(times.values(), key=sum)]


def reading(work: Work, calls: int, device: str = "cpu") -> Callable[[], object]:
    """A call that reads as many bytes as `work`, as matrix-vector products over the same share for each of `calls`."""
    matrix, vector = _matrix(work, calls, device)

    @torch.no_grad()
    def read() -> None:
        for _ in range(calls):
            torch.mv(matrix, vector)

    return read


def products(work: Work, calls: int, rows: int, width: int, device: str = "cpu") -> Callable[[], object]:
    """A call that does `work`'s operations and nothing else: (rows, width) × (width, 4·width) products, each with weights
    of its own, as many in each of `calls` as make up the sum."""
    count = max(1, round(work.operations / calls / (2 * rows * 4 * width * width)))
    weights = [torch.randn(4 * width, width, device=device) for _ in range(count)]
    x = torch.randn(rows, width, device=device)

    @torch.no_grad()
    def multiply() -> None:
        for _ in range(calls):
            for weight in weights:
                F.linear(x, weight)

    return multiply


def _matrix(work: Work, calls: int, device: str) -> tuple[Tensor, Tensor]:
    """As many bytes as one of the `calls` reads, and what to multiply them with."""
    rows = max(1, work.bytes // calls // 4 // 1024)
    return torch.randn(rows, 1024, device=device), torch.randn(1024, device=device)


def floor(
    work: Work, calls: int, rows: int, width: int, rounds: int, clock: str, device: str = "cpu"
) -> dict[str, Any]:
    """Milliseconds under which no chunk of this `work` can be had here, with what it was derived from.

    Bandwidth is that of matrix-vector products over as many bytes as one of the `calls` reads, repeated, so that the same
    caches serve it; the peak is that of (rows, width) × (width, 4·width) products, the networks' largest.
    """
    matrix, vector = _matrix(work, calls, device)
    x, weight = torch.randn(rows, width, device=device), torch.randn(4 * width, width, device=device)
    with torch.no_grad():
        times = take_turns(
            {
                "read": lambda: torch.mv(matrix, vector),
                "sum": lambda: matrix.sum(),
                "multiply": lambda: F.linear(x, weight),
            },
            rounds,
            calls={"read": 50, "sum": 50, "multiply": 50},
            label="physical limit",
            clock=clock,
        )
    bandwidth = [matrix.nbytes / (milliseconds / 1e3) for milliseconds in times["read"]]
    peak = [2 * rows * weight.numel() / (milliseconds / 1e3) for milliseconds in times["multiply"]]
    reading = [1e3 * work.bytes / rate for rate in bandwidth]
    multiplying = [1e3 * work.operations / rate for rate in peak]
    return {
        **asdict(work),
        "bandwidth_bytes_per_s": summary(bandwidth),
        "sum_bytes_per_s": summary([matrix.nbytes / (milliseconds / 1e3) for milliseconds in times["sum"]]),
        "peak_operations_per_s": summary(peak),
        "milliseconds": summary([max(a, b) for a, b in zip(reading, multiplying, strict=True)]),
        "limited_by": "reading" if sum(reading) > sum(multiplying) else "multiplying",
    }
