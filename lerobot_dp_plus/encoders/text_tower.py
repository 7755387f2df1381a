"""The words of an instruction as a pretrained text tower sees them, for those who have one on disk or a network."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from lerobot_dp_plus.encoders.frozen_words import AsTheyAre, FrozenWords
from lerobot_dp_plus.encoders.words import WordEncoder, Words
from lerobot_dp_plus.extras import imported
from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.notation import Span


@Words.register_subclass("pretrained")
@dataclass(frozen=True)
class PretrainedWords(FrozenWords):
    """The last hidden states h of a frozen text tower of transformers, one for each token of its tokenizer.

    CLIP (arXiv 2103.00020), SigLIP (2303.15343) and any encoder that `AutoModel` loads. Of a model of text and pictures
    only the text tower is kept. Each vector is divided by its root mean square. Weights are read from safetensors alone.
    Cost: one pass of the tower for each new sentence, none for one that was met before; a dataset has tens of them.

    Attributes:
        model: a folder, or USER/NAME on the Hub, with model and tokenizer.
        revision: of a repository.
        max_words: how many tokens of a sentence are read; further ones are left out.
        embeddings: whether tokens are the model's own embeddings, as it would read them, in place of what it makes of them. For
            network.backbone.type=pretrained of the same model. `dim` then says nothing.
    """

    model: str = "openai/clip-vit-base-patch32"
    revision: str | None = None
    max_words: int = 32
    embeddings: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("words", self, max_words=1)

    @property
    def length(self) -> int:
        return self.max_words

    @property
    def width(self) -> int:
        return _width(self.model, self.revision)

    @torch.no_grad()
    def vectors(self, sentence: str) -> Tensor:
        tower, tokenizer = _tower(self.model, self.revision)
        tokens = tokenizer([sentence], truncation=True, max_length=self.max_words, return_tensors="pt")
        if self.embeddings:
            hidden = tower.get_input_embeddings()(tokens["input_ids"])[0].float()
        else:
            names = ("input_ids", "attention_mask")
            hidden = tower(**{name: tokens[name] for name in names if name in tokens}).last_hidden_state[0].float()
        return hidden / hidden.square().mean(-1, keepdim=True).sqrt().clamp_min(1e-6)

    def pieces(self, sentence: str) -> list[str]:
        if not sentence.strip():
            return []
        _, tokenizer = _tower(self.model, self.revision)
        ids = tokenizer(sentence, truncation=True, max_length=self.max_words)["input_ids"]
        return list(tokenizer.convert_ids_to_tokens(ids))

    def span(self) -> Span:
        return Span(self.length, self.width if self.embeddings else self.dim)

    def build(self) -> WordEncoder:
        return AsTheyAre() if self.embeddings else super().build()


@lru_cache
def _width(model: str, revision: str | None) -> int:
    """Width of a tower's hidden states, read off its config.

    Raises:
        ModuleNotFoundError: the extra is not installed. OSError: there is no such model, in transformers' words.
    """
    config = _transformers().AutoConfig.from_pretrained(model, revision=revision)
    return int(getattr(config, "text_config", config).hidden_size)


@lru_cache
def _tower(model: str, revision: str | None) -> tuple[Any, Any]:
    """The text tower, in evaluation mode and frozen, and its tokenizer; loaded once."""
    transformers = _transformers()
    whole = transformers.AutoModel.from_pretrained(model, revision=revision, use_safetensors=True)
    tower = getattr(whole, "text_model", whole)
    return tower.eval().requires_grad_(False), transformers.AutoTokenizer.from_pretrained(model, revision=revision)


def _transformers() -> Any:
    return imported("transformers", "towers", by="words.type=pretrained")
