"""Sentences and words as vectors of an encoder that is not trained; they are computed once for each distinct sentence."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor, nn

from lerobot_dp_plus.encoders.words import WordEncoder, Words
from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.notation import WORDS, Span, Tokens


@dataclass(frozen=True)
class FrozenWords(Words):
    """W · v for each vector v of a frozen encoder. The processor makes the vectors, training the matrix W.

    The frozen weights are in no checkpoint: the encoder's name is. It must be there wherever the policy acts.

    Attributes:
        dim: width of a token.
    """

    dim: int = field(default=64, kw_only=True)
    dropped: float = field(default=0.1, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("words", self, dim=1)

    @property
    @abstractmethod
    def length(self) -> int:
        """W, the most vectors that a sentence makes."""

    @property
    @abstractmethod
    def width(self) -> int:
        """D of a vector."""

    @abstractmethod
    def vectors(self, sentence: str) -> Tensor:
        """The vectors of a sentence that is not empty, (at most W, D) float32, of about unit variance."""

    def span(self) -> Span:
        return Span(self.length, self.dim)

    def ids(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """(B, W, D) float32, zero where there is no vector; and which there are."""
        made = torch.zeros((len(sentences), self.length, self.width))
        valid = torch.zeros((len(sentences), self.length), dtype=torch.bool)
        for row, sentence in enumerate(sentences):
            if sentence.strip():
                vectors = _remembered(self, sentence)
                made[row, : len(vectors)] = vectors
                valid[row, : len(vectors)] = True
        return made, valid

    def build(self) -> WordEncoder:
        return VectorEncoder(self.width, self.dim)


@lru_cache(maxsize=4096)
def _remembered(words: FrozenWords, sentence: str) -> Tensor:
    return words.vectors(sentence)


class VectorEncoder(WordEncoder):
    """A linear layer on frozen vectors."""

    def __init__(self, width: int, dim: int):
        super().__init__()
        self.read = nn.Linear(width, dim)

    def forward(self, ids: Tensor, valid: Tensor) -> Tokens:
        weight = self.read.weight
        return Tokens(self.read(ids.to(weight.dtype)) * valid[..., None], valid.bool(), WORDS)


class AsTheyAre(WordEncoder):
    """Frozen vectors without a layer on them."""

    def forward(self, ids: Tensor, valid: Tensor) -> Tokens:
        return Tokens(ids * valid[..., None], valid.bool(), WORDS)
