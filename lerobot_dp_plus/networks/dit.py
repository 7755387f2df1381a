"""Diffusion transformer with adaLN-zero."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from lerobot_dp_plus.networks.attention import MLP, SelfAttention
from lerobot_dp_plus.networks.base import NetworkConfig, vector
from lerobot_dp_plus.networks.embeddings import TimeEmbedding, embed_times, of_patches
from lerobot_dp_plus.networks.tokens import TokenNetworkConfig
from lerobot_dp_plus.notation import Network, Span, Tokens

#: Up to this many samples, reading weights costs more than multiplying with them. With more samples, K modulations fill
#: the memory.
FEW = 16


@NetworkConfig.register_subclass("dit")
@dataclass(frozen=True)
class DiTConfig(TokenNetworkConfig):
    """Size of `DiT`. dim 128, depth 4 has 1.4 M parameters; dim 1024, depth 12 has 234 M."""

    def fsdp_wrap_modules(self) -> tuple[str, ...]:
        return (DiTBlock.__name__,)

    def build(self, *, horizon: int, action_dim: int, observation: Mapping[str, Span]) -> "DiT":
        return DiT(
            horizon=horizon,
            action_dim=action_dim,
            observation_dim=vector(observation),
            dim=self.dim,
            depth=self.depth,
            num_heads=self.num_heads,
            patch_size=self.patch(horizon),
        )


def _zero_linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class DiTBlock(nn.Module):
    """x + g₁·attention(s₁·norm(x) + b₁), then x + g₂·MLP(s₂·norm(x) + b₂); s, b, g from the condition, g = 0 at start."""

    def __init__(self, dim: int, num_heads: int):
        super().__init__()
        self.norm = nn.LayerNorm(dim, elementwise_affine=False)
        self.attention = SelfAttention(dim, num_heads, causal=False)
        self.mlp = MLP(dim)
        self.modulation = _zero_linear(dim, 6 * dim)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x (B, L, D), condition (B, 1 or L, D)."""
        return self.modulated(x, self.modulation(condition))

    def modulated(self, x: Tensor, modulation: Tensor) -> Tensor:
        """The same for a modulation (B, 1 or L, 6·D) computed before."""
        shift1, scale1, gate1, shift2, scale2, gate2 = modulation.chunk(6, dim=-1)  # (B, 1 or L, D)
        x = x + gate1 * self.attention(self.norm(x) * (1 + scale1) + shift1)
        return x + gate2 * self.mlp(self.norm(x) * (1 + scale2) + shift2)


class DiT(Network):
    """Action tokens (each of `patch_size` actions) through blocks modulated by time and the whole observation.

    Peebles & Xie, arXiv 2212.09748, §3.2, adaLN-zero. The observation's part of the condition is computed once a chunk.
    """

    def __init__(
        self,
        *,
        horizon: int,
        action_dim: int,
        observation_dim: int,
        dim: int,
        depth: int,
        num_heads: int,
        patch_size: int,
    ):
        """`observation_dim` counts all observation steps together: T_o·C."""
        super().__init__()
        self.patch_size = patch_size
        self.embed_observation = nn.Sequential(
            nn.Flatten(), nn.Linear(observation_dim, 2 * dim), nn.SiLU(), nn.Linear(2 * dim, dim)
        )
        self.embed_time = TimeEmbedding(dim)
        self.embed_actions = nn.Linear(patch_size * action_dim, dim)
        self.position = nn.Parameter(0.02 * torch.randn(horizon // patch_size, dim))
        self.blocks = nn.ModuleList([DiTBlock(dim, num_heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim, elementwise_affine=False)
        self.modulation = _zero_linear(dim, 2 * dim)
        self.head = _zero_linear(dim, patch_size * action_dim)

    def condition(self, observation: Sequence[Tokens]) -> Tensor:
        """The tokens of the observation steps -> their part of the modulation (B, D)."""
        (steps,) = observation
        return self.embed_observation(steps.values.to(self.position.dtype))

    def forward(self, x_t: Tensor, time: Tensor, condition: Tensor, end: Tensor | None = None) -> Tensor:
        embedded = of_patches(embed_times(self.embed_time, time, end), self.patch_size)
        modulator = nn.functional.silu(condition[:, None] + embedded)  # (B, 1 or L, D)
        blocks = [partial(block, condition=modulator) for block in self.blocks]
        return self._predict(x_t, blocks, self.modulation(modulator))

    def prepare(self, times: Tensor, condition: Tensor) -> Sequence[Callable[[Tensor], Tensor]]:
        modulators = nn.functional.silu(condition + self.embed_time(times)[:, None])[:, :, None]  # (K, B, 1, D)
        if condition.shape[0] > FEW:
            runs = [[partial(block, condition=one) for block in self.blocks] for one in modulators]
        else:  # the modulations' weights, a third of all, are read once instead of K times
            blocks = cast(Iterable[DiTBlock], self.blocks)
            ahead = [[partial(b.modulated, modulation=one) for one in b.modulation(modulators)] for b in blocks]
            runs = [list(run) for run in zip(*ahead, strict=True)]
        finals = self.modulation(modulators)
        return [partial(self._predict, blocks=run, final=final) for run, final in zip(runs, finals, strict=True)]

    def _predict(self, x_t: Tensor, blocks: Sequence[Callable[[Tensor], Tensor]], final: Tensor) -> Tensor:
        """Predict with `blocks` that know their condition already, and with the last modulation (B, 1 or L, 2·D)."""
        batch, horizon, action_dim = x_t.shape
        patches = x_t.to(self.position.dtype).reshape(batch, -1, self.patch_size * action_dim)
        tokens = self.embed_actions(patches) + self.position
        for block in blocks:
            tokens = block(tokens)
        shift, scale = final.chunk(2, dim=-1)
        return self.head(self.norm(tokens) * (1 + scale) + shift).reshape(batch, horizon, action_dim)
