"""In which precision a policy samples and trains, whatever the type of its weights."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache

import torch
import torch.distributed as dist
from torch import Tensor, nn

HALVES = (torch.bfloat16, torch.float16)


def sampling_dtype(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """The weights' device, and the type of noise, times and chunks: float32, or float64 with float64 weights.

    A network with weights of half precision computes in half precision. Between its calls that has too few digits:
    times differ by less than a hundredth, and samplers add up small steps.
    """
    weight = next(model.parameters())
    return weight.device, torch.promote_types(weight.dtype, torch.float32)


@contextmanager
def copied_for_gradients(values: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Copies of tensors, in a mode in which gradients can be asked for: those made in inference mode have none."""
    with torch.inference_mode(False), torch.no_grad():
        yield {key: value.clone() for key, value in values.items()}


def check_trainable(model: nn.Module) -> None:
    """Refuse to train weights of half precision, where updates are lost in rounding and the average stands still.

    Raises:
        ValueError: naming the type and the way out.
    """
    if dist.is_available() and dist.is_initialized():
        return  # sharded training shows the weights in the type it computes in
    dtype = next(model.parameters()).dtype
    if dtype in HALVES:
        name = str(dtype).removeprefix("torch.")
        raise ValueError(
            f"the weights are {name}: an update of them would be lost in rounding. Train float32 weights, policy.float(), with "
            f"--policy.dtype={name}, which computes in {name} by autocast"
        )


@cache
def emulated(dtype: str, device: str = "cpu") -> bool:
    """Whether a device is slower in `dtype` than in float32, found out with one square product in each.

    A CPU without instructions for bfloat16 takes tens of times as long for it: a training of minutes becomes one of hours.
    """
    if dtype == "float32":
        return False
    try:
        taken, usual = (product_seconds(name, device) for name in (dtype, "float32"))
    except RuntimeError:  # the device does not have the type at all
        return True
    return taken > 1.25 * usual  # equal except for noise counts as fast


def product_seconds(dtype: str, device: str, side: int = 256) -> float:
    """Seconds of a product of two matrices (side, side), the least of three."""
    factor, taken = torch.ones(side, side, dtype=getattr(torch, dtype), device=device), []
    for _ in range(3):
        started = time.perf_counter()
        torch.mm(factor, factor).sum().item()  # waits for a GPU
        taken.append(time.perf_counter() - started)
    return min(taken)
