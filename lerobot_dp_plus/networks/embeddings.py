"""How a scalar time becomes a vector."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn


class SinusoidalEmbedding(nn.Module):
    """time (...) -> (..., dim): sin and cos at dim/2 geometric frequencies from 1 to 1/10000.

    Vaswani et al. 2017 (arXiv 1706.03762), §3.5, in the sin-then-cos layout of DDPM (arXiv 2006.11239).
    """

    def __init__(self, dim: int):
        super().__init__()
        self.dim = dim

    def forward(self, time: Tensor) -> Tensor:
        half = self.dim // 2
        exponents = torch.arange(half, device=time.device, dtype=torch.float32) / (half - 1)
        angles = time.float()[..., None] * torch.exp(-math.log(10000.0) * exponents)  # (..., dim/2)
        return torch.cat([angles.sin(), angles.cos()], dim=-1)


class TimeEmbedding(nn.Sequential):
    """MLP(sin and cos of the time), (...) -> (..., dim), in the type of its weights; the angles keep float32's digits."""

    def __init__(self, dim: int):
        super().__init__(SinusoidalEmbedding(dim), nn.Linear(dim, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, time: Tensor) -> Tensor:
        sinusoids, first, activation, last = self
        return last(activation(first(sinusoids(time).to(first.weight.dtype))))


def embed_times(embed: Callable[[Tensor], Tensor], time: Tensor, end: Tensor | None) -> Tensor:
    """e(time), or e(time) + e(−|end − time|) − e(0) for a network told where a jump ends; (B,) -> (B, dim).

    Without an end the time may also be one for every step of a chunk, (B, H) -> (B, H, dim).

    No network time is as negative as a span, so one embedding serves both. A jump needs no weights of its own. A
    checkpoint trained without jumps can be trained further with them. A span of zero changes nothing.
    """
    if end is None:
        return embed(time)
    batch = time.shape[0]
    start, length, nothing = embed(torch.cat([time, -(end - time).abs(), time.new_zeros(1)])).split((batch, batch, 1))
    return start + (length - nothing)


def of_patches(embedded: Tensor, patch_size: int) -> Tensor:
    """Embedded times of each step (B, H, D) -> of each token (B, H/patch_size, D), the mean over its steps.

    One time for the whole chunk, (B, D), becomes (B, 1, D).
    """
    if embedded.dim() == 2:
        return embedded[:, None]
    return embedded if patch_size == 1 else embedded.unflatten(1, (-1, patch_size)).mean(2)
