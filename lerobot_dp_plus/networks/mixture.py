"""The network of π0: a backbone for what is seen and said, and an action expert beside it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.networks.attention import MLP, shares
from lerobot_dp_plus.networks.backbones import Backbone, BackboneConfig, Scratch
from lerobot_dp_plus.networks.base import NetworkConfig
from lerobot_dp_plus.networks.embeddings import SinusoidalEmbedding, embed_times, of_patches
from lerobot_dp_plus.networks.experts import Expert, KeysValues, Layer, joined
from lerobot_dp_plus.networks.looking import Looks, by_kind, noted
from lerobot_dp_plus.networks.tokens import TokenNetworkConfig, valid_of
from lerobot_dp_plus.networks.writer import Writer
from lerobot_dp_plus.notation import PATCHES, ROBOT, STEPS, WORDS, Network, Span, Tokens

#: The kinds of tokens of the first block, in this order.
PREFIX = (PATCHES, WORDS, ROBOT)


@NetworkConfig.register_subclass("mixture")
@dataclass(frozen=True)
class MixtureConfig(TokenNetworkConfig):
    """Size of `Mixture`; as it comes 2.1 M parameters, of which the backbone has 1.2 M.

    `dim` is the width of the action expert's tokens. Depth, number of heads and their width are those of both sets of weights.
    """

    reads: ClassVar[frozenset[str]] = frozenset({STEPS, *PREFIX})

    remembers: ClassVar[frozenset[str]] = frozenset({PATCHES, WORDS})

    dim: int = 128
    depth: int = 4
    # Width of a head, in both sets of weights.
    head_dim: int = 32
    # The weights that read pictures and words.
    backbone: BackboneConfig = field(default_factory=Scratch)
    # Whether the gradient of the chunks' loss stops at keys and values of the first block (knowledge insulation, arXiv
    # 2505.23705). Pictures and words are then learned from other losses alone.
    insulated: bool = False

    def check_heads(self) -> None:
        """The heads' width is given, so the tokens' width need not be a multiple of the number of heads."""
        at_least("network", self, head_dim=1)

    def fsdp_wrap_modules(self) -> tuple[str, ...]:
        # Not whole layers: their parts are called one by one.
        return (MLP.__name__,)

    def reader(self, queries: int, dim: int) -> "Reader":
        return Reader(queries, dim, Expert(dim, self.depth, self.num_heads, self.head_dim))

    def revised(self) -> "MixtureConfig":
        return replace(self, backbone=self.backbone.revised())

    @property
    def writes(self) -> bool:
        # The last layer is keys and values only, so text has seen nothing where it is the first, too.
        return self.depth > 1

    def writer(self, vocabulary: int, longest: int) -> Writer:
        return Writer(self.backbone.width, vocabulary, longest)

    def build(self, *, horizon: int, action_dim: int, observation: Mapping[str, Span]) -> "Mixture":
        shape = {"depth": self.depth, "num_heads": self.num_heads, "head_dim": self.head_dim}
        reads = any(kind in observation for kind in PREFIX)
        return Mixture(
            horizon=horizon,
            action_dim=action_dim,
            observation=observation,
            backbone=self.backbone.build(**shape) if reads else None,
            expert=Expert(self.dim, **shape),
            dim=self.dim,
            patch_size=self.patch(horizon),
            insulated=self.insulated,
        )


class Prefix(NamedTuple):
    """What the actions see of an observation. It is computed once for all calls and candidates of a chunk.

    Args:
        memory: keys and values of the first block, pictures and words, by layer; empty if there are none.
        state: those of the second block, the observation steps; empty if there are none.
        valid: which of the keys of both blocks are there, (B, S); None if all are.
    """

    memory: tuple[KeysValues, ...]
    state: tuple[KeysValues, ...]
    valid: Tensor | None


class Reader(nn.Module):
    """Learned queries that see the first block and each other, and are seen by nobody.

    They have weights of their own, a third set. So the first block's keys and values are what they are without them.
    """

    def __init__(self, queries: int, dim: int, expert: Expert):
        super().__init__()
        self.queries, self.expert = nn.Parameter(torch.randn(queries, dim)), expert

    def forward(self, condition: Prefix) -> Tensor:
        """The network's condition -> (B, Q, D). Its gradient reaches the backbone, also where that is insulated."""
        memory = condition.memory
        batch, length = len(memory[0][0]), memory[0][0].shape[2]
        valid = condition.valid
        if valid is not None:
            valid = F.pad(valid[:, :length], (0, len(self.queries)), value=True)
        return self.expert(self.queries.expand(batch, -1, -1), memory, valid)


class Mixture(Network):
    """Blocks [pictures, words] → [observation steps] → [actions]; each block sees itself and earlier ones.

    π0, arXiv 2410.24164, §IV and appendix B. The first block has weights of its own, the backbone. The others have those of
    the action expert, which may be narrower. The two meet in attention: layer by layer, an expert's token sees keys and values
    of both. No earlier block sees a later one, so keys and values of the first two are the `condition`. Within a block all
    tokens see each other, so their order is nothing but what encoders say of places.

    An action token is W₃·swish(W₂·[W₁·a ; φ(τ)]) + position, with a the actions of one token and φ the sinusoids of the
    network time. Different from π0: LayerNorm and GELU in place of Gemma's RMSNorm and GeGLU, and learned positions in place
    of rotations.

    Features of whole pictures stand in the tokens of the observation steps, so they come in the second block. Encoders that
    give tokens put pictures into the first.
    Cost: the backbone once per chunk; each call runs the expert over H/patch_size tokens.
    """

    reads: ClassVar[frozenset[str]] = MixtureConfig.reads

    def __init__(
        self,
        *,
        horizon: int,
        action_dim: int,
        observation: Mapping[str, Span],
        backbone: Backbone | None,
        expert: Expert,
        dim: int,
        patch_size: int,
        insulated: bool = False,
    ):
        """`backbone` is None if there are neither pictures nor words; `dim` is the expert's width."""
        super().__init__()
        self.patch_size, self.insulated = patch_size, insulated
        self.backbone, self.expert = backbone, expert
        self.embed_tokens = nn.ModuleDict()
        if backbone is not None:
            for kind in (kind for kind in PREFIX if kind in observation):
                self.embed_tokens[kind] = backbone.entrance(observation[kind].width)
        steps = observation.get(STEPS)
        if steps is not None:
            self.embed_observation = nn.Sequential(nn.Linear(steps.width, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
            self.observation_position = nn.Parameter(0.02 * torch.randn(steps.length, dim))
        self.embed_actions = nn.Linear(patch_size * action_dim, dim)  # W₁
        self.embed_time = SinusoidalEmbedding(dim)  # φ
        # W₂ = [W_a | W_τ]. What comes of the time alone is computed ahead.
        self.mix_action, self.mix_time = nn.Linear(dim, dim), nn.Linear(dim, dim, bias=False)
        self.mixed = nn.Linear(dim, dim)  # W₃
        self.position = nn.Parameter(0.02 * torch.randn(horizon // patch_size, dim))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, patch_size * action_dim)
        nn.init.zeros_(self.head.weight)  # the first updates then fit the mean instead of undoing a random guess
        nn.init.zeros_(self.head.bias)

    def condition(self, observation: Sequence[Tokens]) -> Prefix:
        """Tokens -> keys and values of the first two blocks."""
        spans = {span.kind: span for span in observation}
        first = [spans[kind] for kind in PREFIX if kind in spans]
        memory: tuple[KeysValues, ...] = ()
        valid = valid_of(first)
        if self.backbone is not None:
            embedded = [self.embed_tokens[span.kind](span.values.to(self.position.dtype)) for span in first]
            memory = self.backbone(torch.cat(embedded, 1), valid)
        if STEPS not in spans:
            return Prefix(memory, (), valid)
        steps = self.embed_observation(spans[STEPS].values.to(self.position.dtype)) + self.observation_position
        if valid is not None:
            valid = F.pad(valid, (0, steps.shape[1]), value=True)
        return Prefix(memory, self.expert.remember(steps, self._shielded(memory), valid), valid)

    def write(self, text: Tensor, condition: Prefix) -> Tensor:
        if self.backbone is None:
            raise TypeError("there is no backbone, as there are neither pictures nor words")
        memory, valid = condition.memory, condition.valid
        return self.backbone.write(text, memory, None if valid is None else valid[:, : memory[0][0].shape[2]])

    def _shielded(self, memory: tuple[KeysValues, ...]) -> tuple[KeysValues, ...]:
        """The first block as the expert sees it: without a gradient if it is insulated."""
        return tuple((k.detach(), v.detach()) for k, v in memory) if self.insulated else memory

    def _seen(self, condition: Prefix) -> tuple[KeysValues, ...]:
        """Keys and values of both blocks, by layer."""
        memory, state = self._shielded(condition.memory), condition.state
        if not memory or not state:
            return memory or state
        return tuple(joined(*pair) for pair in zip(memory, state, strict=True))

    def forward(self, x_t: Tensor, time: Tensor, condition: Prefix, end: Tensor | None = None) -> Tensor:
        embedded = of_patches(embed_times(self.embed_time, time, end), self.patch_size)  # (B, L or 1, D)
        return self._predict(x_t, self._time_share(embedded), self._seen(condition), condition.valid)

    def prepare(self, times: Tensor, condition: Prefix) -> Sequence[Callable[[Tensor], Tensor]]:
        shares, seen = self._time_share(self.embed_time(times)[:, None, None]), self._seen(condition)  # (K, 1, 1, D)
        return [partial(self._predict, time_share=one, seen=seen, valid=condition.valid) for one in shares]

    def looks(self, x_t: Tensor, time: Tensor, observation: Sequence[Tokens]) -> Looks:
        """See `Looking`."""
        condition = self.condition(observation)
        layers, seen, valid = cast(list[Layer], list(self.expert.layers)), self._seen(condition), condition.valid
        with noted(layer.qkv for layer in layers) as projected:
            self(x_t, time, condition)
        found = []
        for layer, out, (keys, _) in zip(layers, projected, seen, strict=True):
            q, own, _ = layer.split(out)
            there = None if valid is None else F.pad(valid, (0, own.shape[2]), value=True)
            found.append(shares(q, torch.cat([keys, own], 2), there)[..., : keys.shape[2]])
        spans = {span.kind: span for span in observation}
        return by_kind(found, [spans[kind] for kind in (*PREFIX, STEPS) if kind in spans])

    def _time_share(self, embedded: Tensor) -> Tensor:
        return self.mix_time(embedded.to(self.position.dtype))

    def _predict(self, x_t: Tensor, time_share: Tensor, seen: tuple[KeysValues, ...], valid: Tensor | None) -> Tensor:
        """time_share (B or 1, tokens or 1, D), keys and values of earlier blocks, and which of them are there."""
        batch, horizon, action_dim = x_t.shape
        patches = x_t.to(self.position.dtype).reshape(batch, -1, self.patch_size * action_dim)
        mixed = F.silu(self.mix_action(self.embed_actions(patches)) + time_share)
        tokens = self.mixed(mixed) + self.position  # (B, L, D)
        if valid is not None:
            valid = F.pad(valid, (0, tokens.shape[1]), value=True)
        tokens = self.expert(tokens, seen, valid)
        return self.head(self.norm(tokens)).reshape(batch, horizon, action_dim)
