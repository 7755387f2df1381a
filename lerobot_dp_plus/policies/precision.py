"""In which precision a policy samples and trains, whatever the type of its weights."""

import torch
import torch.distributed as dist
from torch import nn

HALVES = (torch.bfloat16, torch.float16)


def sampling_dtype(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Where the weights are, and the type that noise, times and chunks have: float32, with float64 weights float64.

    A network with weights of half precision computes in that; between its calls its digits would not do, as times
    are told apart by less than a hundredth and samplers add up small steps.
    """
    weight = next(model.parameters())
    return weight.device, torch.promote_types(weight.dtype, torch.float32)


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
