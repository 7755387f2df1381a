"""The trace of a denoiser's Jacobian, exact or estimated."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

#: How the trace is found.
Trace = Literal["hutchinson", "exact"]
TRACES: tuple[Trace, ...] = ("hutchinson", "exact")

#: x (M, H, A) -> values of the same shape, each chunk's own.
type Field = Callable[[Tensor], Tensor]


def probes(levels: int, count: int, like: Tensor, seed: int) -> Tensor:
    """Random signs (levels, count, H, A) for chunks `like` (M, H, A): the same ones in every call and on every device.

    All chunks share them, so that a chunk's figure does not depend on which others are beside it. Torch's global
    generators are left alone.
    """
    generator = torch.Generator().manual_seed(seed)
    signs = torch.randint(0, 2, (levels, count, *like.shape[1:]), generator=generator)
    return (2 * signs - 1).to(like.dtype).to(like.device)


def value_and_trace(field: Field, x: Tensor, vectors: Tensor | None) -> tuple[Tensor, Tensor]:
    """field(x) (M, H, A), and of each chunk the trace of its Jacobian, (M,).

    Vectors v (K, H, A) estimate it as the mean of v·∂field/∂x·v. That is Hutchinson's estimator, without bias where
    E vvᵀ is the identity. The variance is that of the terms off the diagonal, because v² = 1 for signs. Without
    vectors the trace is exact: the unit vectors take their place.
    Cost: one call of the field, and one backward pass for all vectors together.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        value = field(x)
        if not value.requires_grad:  # it does not depend on x
            return value, x.new_zeros(len(x))
        exact = vectors is None
        if vectors is None:
            size = x[0].numel()
            vectors = torch.eye(size, dtype=x.dtype, device=x.device).reshape(size, *x.shape[1:])
        spread = vectors[:, None].expand(-1, *x.shape)
        if len(vectors) == 1:
            products = torch.autograd.grad(value, x, spread[0])[0][None]
        else:
            (products,) = torch.autograd.grad(value, x, spread, is_grads_batched=True)
    traces = (products * spread).flatten(2).sum(2)  # (K, M)
    return value.detach(), traces.sum(0) if exact else traces.mean(0)
