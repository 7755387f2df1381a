"""A backbone with the weights of a language model, or of the language part of a model of text and pictures."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from lerobot_dp_plus.networks.backbones.base import Backbone, BackboneConfig, each_sees_itself, sees_backwards
from lerobot_dp_plus.networks.backbones.language_model import Shape, digest_of, read, shape_of, transformers
from lerobot_dp_plus.networks.experts import KeysValues
from lerobot_dp_plus.networks.lora import beside

LEARNS = ("nothing", "lora", "all")


@BackboneConfig.register_subclass("pretrained")
@dataclass(frozen=True)
class Pretrained(BackboneConfig):
    """The first `depth` layers of a decoder of transformers (Llama, SmolLM2, Qwen, Gemma; the language part of SmolVLM).

    π0 (arXiv 2410.24164) starts from PaliGemma, SmolVLA (arXiv 2506.01844) from the first half of SmolVLM's layers. As there, the
    expert meets its keys and values layer by layer. So network.head_dim is that of the model, and network.num_heads a multiple
    of its heads of keys and values. Keys are rotated by their place, the expert's queries are not: it learns places itself.

    Pictures come from image_encoder and enter as embeddings, through a layer that is learned. Words keep the model's own
    embeddings with words.type=pretrained, words.embeddings=true and the same model.
    Weights that do not learn are in no checkpoint. Their source and digest are in the config, and other weights are refused.

    Attributes:
        model: a folder, or USER/NAME on the Hub.
        revision: of a repository.
        learns: "nothing", "lora" (arXiv 2106.09685, beside every linear layer) or "all". Layers at its ends always learn.
        rank, alpha: of LoRA.
        causal: whether a token sees earlier ones only, pictures before words, as the model was trained; else all see all.
        digest: of the weights, noted when a training begins.
    """

    model: str = "HuggingFaceTB/SmolLM2-135M"
    revision: str | None = None
    learns: str = "nothing"
    rank: int = 8
    alpha: float = 16.0
    causal: bool = True
    digest: str | None = None

    def __post_init__(self) -> None:
        if self.learns not in LEARNS:
            raise ValueError(f"network.backbone.learns = {self.learns!r}: legal are {', '.join(LEARNS)}")
        if self.rank < 1 or not self.alpha > 0:
            raise ValueError(
                f"network.backbone.rank = {self.rank}, network.backbone.alpha = {self.alpha}: both must be positive"
            )

    @property
    def width(self) -> int:
        return shape_of(self.model, self.revision).dim

    def revised(self) -> "Pretrained":
        found = digest_of(self.model, self.revision)
        if self.digest not in (None, found):
            raise ValueError(
                f"network.backbone.model = {self.model!r} has weights of the digest {found}; this policy was trained on those of "
                f"{self.digest}. Give the folder or revision that it was trained with"
            )
        return replace(self, digest=found)

    def build(self, *, depth: int, num_heads: int, head_dim: int) -> "PretrainedBackbone":
        shape = shape_of(self.model, self.revision)
        if depth > shape.depth or num_heads % shape.shared or head_dim != shape.head_dim:
            raise ValueError(
                f"network.depth = {depth}, network.num_heads = {num_heads}, network.head_dim = {head_dim}: with "
                f"network.backbone.model = {self.model!r} legal are a depth of at most {shape.depth}, a multiple of "
                f"{shape.shared} heads, and head_dim = {shape.head_dim}"
            )
        part = read(self.model, self.revision)
        part.layers = part.layers[:depth]  # type: ignore[index]
        return PretrainedBackbone(part, shape, num_heads // shape.shared, self)


class PretrainedBackbone(Backbone):
    """The decoder. What does not learn is in no state dict, and copies share it unless something beside it learns."""

    def __init__(self, part: nn.Module, shape: Shape, repeats: int, config: Pretrained):
        super().__init__()
        self.dim, self.repeats, self.causal, self.learns = shape.dim, repeats, config.causal, config.learns
        embeddings = part.get_input_embeddings().weight  # type: ignore[operator]
        self.loudness = float(embeddings.detach().square().mean().sqrt())  # of what it is used to
        del part.embed_tokens  # embeddings come from outside
        if self.learns == "all":
            self.part = part
            return
        self._held = [part.eval().requires_grad_(False)]  # in a list, so that torch does not find it
        if self.learns == "lora":
            self.changes = beside(part.layers, config.rank, config.alpha)  # type: ignore[arg-type]

    @property
    def decoder(self) -> nn.Module:
        """The layers of the model."""
        return self.part if self.learns == "all" else self._held[0]

    def entrance(self, width: int) -> nn.Module:
        return Entrance(width, self.dim, self.loudness)

    def forward(self, tokens: Tensor, valid: Tensor | None) -> tuple[KeysValues, ...]:
        batch, length = tokens.shape[:2]
        there = torch.ones(batch, length, dtype=torch.bool, device=tokens.device) if valid is None else valid
        sees = each_sees_itself(there)
        assert sees is not None
        if self.causal:
            sees = sees & torch.ones(length, length, dtype=torch.bool, device=tokens.device).tril()
        cache = transformers().DynamicCache()
        self._run(tokens, sees, (there.cumsum(1) - 1).clamp_min(0), cache)
        return tuple(
            (layer.keys.repeat_interleave(self.repeats, 1), layer.values.repeat_interleave(self.repeats, 1))
            for layer in cache.layers
        )

    def write(self, text: Tensor, memory: Sequence[KeysValues], valid: Tensor | None) -> Tensor:
        """By all of its layers and the norm behind them."""
        length = memory[0][0].shape[2]
        cache = transformers().DynamicCache()
        for index, (k, v) in enumerate(memory):
            cache.update(k[:, :: self.repeats], v[:, :: self.repeats], index)
        begin = (
            torch.full_like(text[:, :1, 0], length, dtype=torch.int64) if valid is None else valid.sum(1, keepdim=True)
        )
        places = begin + torch.arange(text.shape[1], device=text.device)
        return self._run(text * self.loudness, sees_backwards(text, length, valid), places, cache)

    def _run(self, embedded: Tensor, sees: Tensor, places: Tensor, cache: Any) -> Tensor:
        """What the decoder makes of embeddings (B, L, dim) at `places` (B, L), where `sees` (B, L, S) says who sees whom."""
        hidden = torch.zeros(sees.shape, dtype=embedded.dtype, device=embedded.device)
        mask = hidden.masked_fill(~sees, torch.finfo(embedded.dtype).min)[:, None]
        given = {"inputs_embeds": embedded, "attention_mask": mask, "position_ids": places, "past_key_values": cache}
        return self.decoder(**given, use_cache=True).last_hidden_state

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "PretrainedBackbone":
        if self.learns != "all":
            self._held[0]._apply(fn, recurse)
        return super()._apply(fn, recurse)

    def __deepcopy__(self, memo: dict[int, Any]) -> "PretrainedBackbone":
        if self.learns == "nothing":
            return self
        made = memo[id(self)] = type(self).__new__(type(self))
        made.__dict__.update(copy.deepcopy(self.__dict__, memo))  # changes here and in the decoder stay the same ones
        return made


class Entrance(nn.Module):
    """W·x, as loud as the model's embeddings. It starts as x where widths agree, else behind a LayerNorm."""

    def __init__(self, width: int, dim: int, loudness: float):
        super().__init__()
        self.loudness, self.enter = loudness, nn.Linear(width, dim)
        self.norm: nn.Module = nn.LayerNorm(dim)
        if width == dim:
            nn.init.eye_(self.enter.weight)
            nn.init.zeros_(self.enter.bias)
            self.norm = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.loudness * self.norm(self.enter(x))
