"""Attention, and the MLP that follows it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Up to this many tokens the fused kernel's overhead on a CPU exceeds the arithmetic (2× slower at 4 to 8 tokens).
SHORT = 32


def attend(q: Tensor, k: Tensor, v: Tensor, *, causal: bool = False, valid: Tensor | None = None) -> Tensor:
    """softmax(q·kᵀ/√d)·v over (B, heads, L, d) and (B, heads, M, d).

    causal (L = M) hides later keys. `valid` (B, M) bool says which keys are there; the others are hidden. It may also say so
    for each query, (B, L, M).
    """
    hidden = None
    if valid is not None:
        hidden = (valid[:, None] if valid.dim() == 2 else valid)[:, None]  # (B, 1, 1 or L, M)
    if q.is_cuda or max(q.shape[-2], k.shape[-2]) > SHORT:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=hidden, is_causal=causal)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)  # (B, heads, L, M)
    if causal:
        later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
        scores = scores.masked_fill(later, -torch.inf)
    if hidden is not None:
        scores = scores.masked_fill(~hidden, -torch.inf)
    return scores.softmax(-1) @ v


def shares(q: Tensor, k: Tensor, valid: Tensor | None = None) -> Tensor:
    """softmax(q·kᵀ/√d), (B, heads, L, M): the weights of the means that `attend` makes, to be looked at; `valid` (B, M)."""
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
    return (scores if valid is None else scores.masked_fill(~valid[:, None, None], -torch.inf)).softmax(-1)


#: Keys, values, and a mask of those that are there; the mask is None if all are.
type Remembered = tuple[Tensor, Tensor, Tensor | None]


class SelfAttention(nn.Module):
    """Multi-head self-attention, (B, L, D) -> (B, L, D); arXiv 1706.03762 §3.2."""

    def __init__(self, dim: int, num_heads: int, causal: bool):
        super().__init__()
        self.num_heads, self.causal = num_heads, causal
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """x (B, L, D) -> (B, L, D); `valid` (B, L) bool says which tokens are there to be attended to."""
        if x.shape[1] == 1 and not torch.is_grad_enabled():
            # A single token gives itself all its attention, whatever its query and key. So two thirds of qkv need no
            # reading.
            of_value = slice(2 * x.shape[2], None)
            return self.out(F.linear(x, self.qkv.weight[of_value], self.qkv.bias[of_value]))
        q, k, v = (
            self.qkv(x).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        )  # each (B, heads, L, D/heads)
        return self.out(attend(q, k, v, causal=self.causal, valid=valid).transpose(1, 2).flatten(2))


class CrossAttention(nn.Module):
    """Attention from tokens to a memory whose keys and values are computed ahead, once."""

    def __init__(self, dim: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)
        self.out = nn.Linear(dim, dim)

    def remember(self, memory: Tensor, valid: Tensor | None = None) -> Remembered:
        """Keys and values (B, heads, M, D/heads) of a memory (B, M, D); `valid` (B, M) says which tokens are there."""
        k, v = self.kv(memory).unflatten(-1, (2, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        return k, v, valid

    def forward(self, x: Tensor, remembered: Remembered) -> Tensor:
        """x (B, L, D) -> (B, L, D)."""
        k, v, valid = remembered
        q = self.q(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        return self.out(attend(q, k, v, valid=valid).transpose(1, 2).flatten(2))


class MLP(nn.Sequential):
    """Linear, GELU, linear; (…, D) -> (…, D) with a hidden width of ratio·D."""

    def __init__(self, dim: int, ratio: int = 4):
        super().__init__(nn.Linear(dim, ratio * dim), nn.GELU(), nn.Linear(ratio * dim, dim))
