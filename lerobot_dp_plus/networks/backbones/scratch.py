"""A backbone without pretrained weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.networks.backbones.base import Backbone, BackboneConfig, each_sees_itself, sees_backwards
from lerobot_dp_plus.networks.experts import KeysValues, Layer, joined


@BackboneConfig.register_subclass("scratch")
@dataclass(frozen=True)
class Scratch(BackboneConfig):
    """A transformer that is trained with the policy, from nothing.

    Attributes:
        dim: width of its tokens. With the network's default depth and heads, 192 has 1.2 M weights.
    """

    dim: int = 192

    def __post_init__(self) -> None:
        at_least("network.backbone", self, dim=1)

    @property
    def width(self) -> int:
        return self.dim

    def build(self, *, depth: int, num_heads: int, head_dim: int) -> "ScratchBackbone":
        return ScratchBackbone(self.dim, depth, num_heads, head_dim)


class ScratchBackbone(Backbone):
    """depth − 1 whole layers, and the keys and values of one more.

    Others see only keys and values. So what the last layer would make of the tokens is nobody's input, and has no weights.
    """

    def __init__(self, dim: int, depth: int, num_heads: int, head_dim: int):
        super().__init__()
        self.dim, self.num_heads = dim, num_heads
        self.layers = nn.ModuleList([Layer(dim, num_heads, head_dim) for _ in range(depth - 1)])
        self.last_norm, self.last_kv = nn.LayerNorm(dim), nn.Linear(dim, 2 * num_heads * head_dim)

    def forward(self, tokens: Tensor, valid: Tensor | None) -> tuple[KeysValues, ...]:
        x, sees, found = tokens, each_sees_itself(valid), []
        for layer in self._layers:
            q, k, v = layer.project(x)
            found.append((k, v))
            x = layer.update(x, q, (k, v), sees)
        k, v = self.last_kv(self.last_norm(x)).unflatten(-1, (2, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        return (*found, (k, v))

    def write(self, text: Tensor, memory: Sequence[KeysValues], valid: Tensor | None) -> Tensor:
        """By the whole layers."""
        x, sees = text, sees_backwards(text, memory[0][0].shape[2], valid)
        for layer, earlier in zip(self._layers, memory, strict=False):
            q, k, v = layer.project(x)
            x = layer.update(x, q, joined(earlier, (k, v)), sees)
        return x

    @property
    def _layers(self) -> list[Layer]:
        return cast(list[Layer], list(self.layers))
