"""Sets of transformer weights that meet in attention: tokens of one see keys and values of another."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from lerobot_dp_plus.networks.attention import MLP, attend

#: Keys and values of one layer, each (B, heads, S, head width).
type KeysValues = tuple[Tensor, Tensor]


class Layer(nn.Module):
    """x + attention, x + MLP, each behind a LayerNorm; the heads' width does not follow from the tokens' width."""

    def __init__(self, dim: int, num_heads: int, head_dim: int):
        super().__init__()
        self.num_heads = num_heads
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * num_heads * head_dim)
        self.out = nn.Linear(num_heads * head_dim, dim)
        self.mlp_norm = nn.LayerNorm(dim)
        self.mlp = MLP(dim)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of tokens (B, L, D), each (B, heads, L, head width)."""
        return self.split(self.qkv(self.norm(x)))

    def split(self, projected: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What `qkv` gives, (B, L, 3·heads·head width), as queries, keys and values."""
        q, k, v = projected.unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        return q, k, v

    def update(self, x: Tensor, q: Tensor, seen: KeysValues, valid: Tensor | None) -> Tensor:
        """Tokens (B, L, D) after they have seen keys and values; `valid` as in `attend`."""
        x = x + self.out(attend(q, *seen, valid=valid).transpose(1, 2).flatten(2))
        return x + self.mlp(self.mlp_norm(x))


class Expert(nn.Module):
    """`depth` layers whose tokens see earlier blocks and themselves (π0, arXiv 2410.24164, appendix B).

    Layers meet those of the earlier blocks one by one. So depth, heads and head width must be equal, widths need not be.
    """

    def __init__(self, dim: int, depth: int, num_heads: int, head_dim: int):
        super().__init__()
        self.layers = nn.ModuleList([Layer(dim, num_heads, head_dim) for _ in range(depth)])

    def forward(self, x: Tensor, seen: Sequence[KeysValues], valid: Tensor | None = None) -> Tensor:
        """Tokens (B, L, D) after all layers. They see the keys of earlier blocks, `seen`, and themselves.

        `valid` (B, S + L) says which of the earlier keys and of their own are there; None if all are.
        """
        for layer, earlier in zip(self._layers, seen or self._nothing, strict=True):
            q, k, v = layer.project(x)
            x = layer.update(x, q, joined(earlier, (k, v)), valid)
        return x

    def remember(self, x: Tensor, seen: Sequence[KeysValues], valid: Tensor | None = None) -> tuple[KeysValues, ...]:
        """Keys and values of tokens (B, L, D) in every layer; arguments as in `forward`.

        What the last layer makes of the tokens themselves is nobody's key, and is not computed.
        """
        found: list[KeysValues] = []
        for layer, earlier in zip(self._layers, seen or self._nothing, strict=True):
            q, k, v = layer.project(x)
            found.append((k, v))
            if len(found) < len(self.layers):
                x = layer.update(x, q, joined(earlier, (k, v)), valid)
        return tuple(found)

    @property
    def _nothing(self) -> tuple[None, ...]:
        """What is seen of earlier blocks if there are none."""
        return (None,) * len(self.layers)

    @property
    def _layers(self) -> list[Layer]:
        return cast(list[Layer], list(self.layers))


def joined(earlier: KeysValues | None, later: KeysValues | None) -> KeysValues:
    """Keys and values of two blocks, of which one may be None, one after the other."""
    if earlier is None or later is None:
        found = later if earlier is None else earlier
        assert found is not None
        return found
    return torch.cat([earlier[0], later[0]], 2), torch.cat([earlier[1], later[1]], 2)
