"""Weights that several processes hold in pieces (FSDP2): which blocks are cut, and how they become whole again to be saved."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch.distributed as dist
from torch import Tensor


def writes_files() -> bool:
    """Whether this is the process that writes: the only one, or the first of several."""
    return not (dist.is_available() and dist.is_initialized()) or dist.get_rank() == 0


def is_sharded(state: Mapping[str, Tensor]) -> bool:
    """Whether a process holds only a piece of some tensor of `state`."""
    return any(hasattr(value, "full_tensor") for value in state.values())


def whole_state(state: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """`state` with every tensor whole, for the process that writes it; None in the others.

    Pieces are put together one tensor at a time, on the CPU of the process that writes, and every process must take part:
    a call from one alone would wait for ever. Without pieces nothing is sent.

    Raises:
        ValueError: the process that writes was given nothing.
    """
    writes, whole = writes_files(), {}
    for key, value in state.items():
        tensor = value.full_tensor().cpu() if hasattr(value, "full_tensor") else value
        if writes:
            whole[key] = tensor
    if writes and not whole:
        raise ValueError("state_dict is empty: there are no weights to save")
    return whole if writes else None


def default_blocks(config_class: type) -> list[str]:
    """Class names of the blocks that sharded training wraps in the network a policy type has unless told otherwise."""
    network: Any = next(field for field in dataclasses.fields(config_class) if field.name == "network")
    return list(network.default_factory().fsdp_wrap_modules())
