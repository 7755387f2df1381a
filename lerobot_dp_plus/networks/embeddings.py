"""How a scalar time becomes a vector."""

import math

import torch
from torch import Tensor, nn


class SinusoidalEmbedding(nn.Module):
    """time (B,) -> (B, dim): sin and cos at dim/2 geometric frequencies from 1 to 1/10000.

    Vaswani et al. 2017 (arXiv 1706.03762), §3.5, in the sin-then-cos layout of DDPM (arXiv 2006.11239).
    """

    def __init__(self, dim: int):
        super().__init__()
        self.dim = dim

    def forward(self, time: Tensor) -> Tensor:
        half = self.dim // 2
        exponents = torch.arange(half, device=time.device, dtype=torch.float32) / (half - 1)
        angles = time.float()[:, None] * torch.exp(-math.log(10000.0) * exponents)  # (B, dim/2)
        return torch.cat([angles.sin(), angles.cos()], dim=-1)
