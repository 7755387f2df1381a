"""Causal transformer that cross-attends to the observation."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.networks.attention import MLP, CrossAttention, Remembered, SelfAttention, shares
from lerobot_dp_plus.networks.base import NetworkConfig
from lerobot_dp_plus.networks.embeddings import TimeEmbedding, embed_times, of_patches
from lerobot_dp_plus.networks.looking import Looks, by_kind, noted
from lerobot_dp_plus.networks.tokens import TokenNetworkConfig, valid_of
from lerobot_dp_plus.notation import PATCHES, ROBOT, STEPS, WORDS, Network, Span, Tokens


@NetworkConfig.register_subclass("transformer")
@dataclass(frozen=True)
class TransformerConfig(TokenNetworkConfig):
    """Size of `Transformer`. dim 128, depth 4 has 1.2 M parameters; dim 1024, depth 14 has 240 M."""

    reads: ClassVar[frozenset[str]] = frozenset({STEPS, PATCHES, WORDS, ROBOT})

    # Whether a token sees only itself and earlier ones.
    causal: bool = True
    # Layers in which the tokens of the observation attend to each other first, so that a word meets the thing that it
    # names; computed once for each chunk. Diffusion Policy's transformer has the like as `n_cond_layers`.
    memory_depth: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("network", self, memory_depth=0)

    def fsdp_wrap_modules(self) -> tuple[str, ...]:
        # Not whole blocks: `condition` reads a block's keys and values without calling the block.
        return (SelfAttention.__name__, MLP.__name__)

    def build(self, *, horizon: int, action_dim: int, observation: Mapping[str, Span]) -> "Transformer":
        return Transformer(
            horizon=horizon,
            action_dim=action_dim,
            observation=observation,
            dim=self.dim,
            depth=self.depth,
            num_heads=self.num_heads,
            patch_size=self.patch(horizon),
            causal=self.causal,
            memory_depth=self.memory_depth,
        )


class MemoryBlock(nn.Module):
    """x + self-attention, x + MLP, each behind a LayerNorm; over the tokens of the observation."""

    def __init__(self, dim: int, num_heads: int):
        super().__init__()
        self.self_norm, self.self_attention = nn.LayerNorm(dim), SelfAttention(dim, num_heads, causal=False)
        self.mlp_norm, self.mlp = nn.LayerNorm(dim), MLP(dim)

    def forward(self, x: Tensor, valid: Tensor | None) -> Tensor:
        x = x + self.self_attention(self.self_norm(x), valid)
        return x + self.mlp(self.mlp_norm(x))


class TransformerBlock(nn.Module):
    """x + self-attention, x + cross-attention, x + MLP, each behind a LayerNorm (arXiv 2002.04745)."""

    def __init__(self, dim: int, num_heads: int, causal: bool):
        super().__init__()
        self.self_norm = nn.LayerNorm(dim)
        self.self_attention = SelfAttention(dim, num_heads, causal)
        self.cross_norm = nn.LayerNorm(dim)
        self.cross_attention = CrossAttention(dim, num_heads)
        self.mlp_norm = nn.LayerNorm(dim)
        self.mlp = MLP(dim)

    def forward(self, x: Tensor, remembered: Remembered) -> Tensor:
        x = x + self.self_attention(self.self_norm(x))
        x = x + self.cross_attention(self.cross_norm(x), remembered)
        return x + self.mlp(self.mlp_norm(x))


class Transformer(Network):
    """Action tokens (each of `patch_size` actions) + position + time, `depth` blocks, back to actions.

    Diffusion Policy, arXiv 2303.04137, §3.1 and its time-series transformer. Here the time is added to the action
    tokens and is no part of the memory. So keys and values of the observation serve every call of a chunk.

    The memory holds the tokens of every kind, one kind after another. Each kind has a projection of its own, so the
    network can tell them apart. The encoder that makes a token also marks its position. For the observation steps the
    position is learned here.
    """

    reads: ClassVar[frozenset[str]] = TransformerConfig.reads

    def __init__(
        self,
        *,
        horizon: int,
        action_dim: int,
        observation: Mapping[str, Span],
        dim: int,
        depth: int,
        num_heads: int,
        patch_size: int,
        causal: bool,
        memory_depth: int = 0,
    ):
        super().__init__()
        self.patch_size = patch_size
        steps = observation.get(STEPS)
        if steps is not None:
            self.embed_observation = nn.Sequential(nn.Linear(steps.width, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
            self.observation_position = nn.Parameter(0.02 * torch.randn(steps.length, dim))
        further = {kind: nn.Linear(span.width, dim) for kind, span in observation.items() if kind != STEPS}
        self.embed_tokens = nn.ModuleDict(further)
        self.memory_blocks = nn.ModuleList([MemoryBlock(dim, num_heads) for _ in range(memory_depth)])
        self.memory_norm = nn.LayerNorm(dim)
        self.embed_time = TimeEmbedding(dim)
        self.embed_actions = nn.Linear(patch_size * action_dim, dim)
        self.position = nn.Parameter(0.02 * torch.randn(horizon // patch_size, dim))
        self.blocks = nn.ModuleList([TransformerBlock(dim, num_heads, causal) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, patch_size * action_dim)
        # Start as the zero function: the first updates then fit the mean instead of undoing a random guess.
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def condition(self, observation: Sequence[Tokens]) -> list[Remembered]:
        """Tokens -> keys and values (B, heads, S, D/heads) of every block, and which of them are there."""
        memory, valid = torch.cat([self._embed(span) for span in observation], 1), valid_of(observation)
        for block in self.memory_blocks:
            memory = block(memory, valid)
        memory = self.memory_norm(memory)
        blocks = cast(Iterable[TransformerBlock], self.blocks)
        return [block.cross_attention.remember(memory, valid) for block in blocks]

    def _embed(self, span: Tokens) -> Tensor:
        """Tokens of one kind -> (B, S, D)."""
        values = span.values.to(self.position.dtype)
        if span.kind == STEPS:
            return self.embed_observation(values) + self.observation_position
        return self.embed_tokens[span.kind](values)

    def forward(self, x_t: Tensor, time: Tensor, condition: Sequence[Remembered], end: Tensor | None = None) -> Tensor:
        embedded = of_patches(embed_times(self.embed_time, time, end), self.patch_size)
        return self._predict(x_t, embedded, condition)

    def prepare(self, times: Tensor, condition: Sequence[Remembered]) -> Sequence[Callable[[Tensor], Tensor]]:
        embedded = self.embed_time(times)[:, None, None]  # (K, 1, 1, D)
        return [partial(self._predict, embedded_time=one, condition=condition) for one in embedded]

    def looks(self, x_t: Tensor, time: Tensor, observation: Sequence[Tokens]) -> Looks:
        """See `Looking`."""
        condition = self.condition(observation)
        attentions = [block.cross_attention for block in cast(Iterable[TransformerBlock], self.blocks)]
        with noted(each.q for each in attentions) as queries:
            self(x_t, time, condition)
        heads = attentions[0].num_heads
        split = [q.unflatten(-1, (heads, -1)).transpose(1, 2) for q in queries]
        layers = [shares(q, k, valid) for q, (k, _, valid) in zip(split, condition, strict=True)]
        return by_kind(layers, observation)

    def _predict(self, x_t: Tensor, embedded_time: Tensor, condition: Sequence[Remembered]) -> Tensor:
        """embedded_time (B or 1, tokens or 1, D)."""
        batch, horizon, action_dim = x_t.shape
        patches = x_t.to(self.position.dtype).reshape(batch, -1, self.patch_size * action_dim)
        tokens = self.embed_actions(patches)  # (B, H/patch, D)
        tokens = tokens + self.position + embedded_time
        for block, remembered in zip(self.blocks, condition, strict=True):
            tokens = block(tokens, remembered)
        return self.head(self.norm(tokens)).reshape(batch, horizon, action_dim)
