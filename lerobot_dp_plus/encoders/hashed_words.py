"""Words of an instruction by their hash: a text encoder without a vocabulary and without pretrained weights."""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lerobot_dp_plus.encoders.words import WordEncoder, Words
from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.notation import WORDS, Span, Tokens


@Words.register_subclass("hashed")
@dataclass(frozen=True)
class HashedWords(Words):
    """e(word) + e'(place). The table e has `buckets` rows, and the row of a word is its CRC-32 modulo `buckets`.

    The hashing trick, Weinberger et al., arXiv 0902.2206. Only letters and digits count. Two words share a row once in `buckets`.

    Attributes:
        buckets, dim: rows of the table, and width of a token.
        max_words: how many words of a sentence are read; further words are left out.
    """

    buckets: int = 4096
    dim: int = 64
    max_words: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("words", self, buckets=1, dim=1, max_words=1)

    def span(self) -> Span:
        return Span(self.max_words, self.dim)

    def ids(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        read = [[zlib.crc32(word.encode()) % self.buckets for word in self.pieces(each.lower())] for each in sentences]
        filled = [each + [-1] * (self.max_words - len(each)) for each in read]
        rows = torch.tensor(filled, dtype=torch.int64).reshape(len(read), self.max_words)
        return rows.clamp_min(0), rows >= 0

    def pieces(self, sentence: str) -> list[str]:
        return re.findall(r"[^\W_]+", sentence)[: self.max_words]

    def build(self) -> "HashedWordEncoder":
        return HashedWordEncoder(self.buckets, self.dim, self.max_words)


class HashedWordEncoder(WordEncoder):
    """The table of words and the table of places."""

    def __init__(self, buckets: int, dim: int, max_words: int):
        super().__init__()
        self.word, self.place = nn.Embedding(buckets, dim), nn.Parameter(0.02 * torch.randn(max_words, dim))

    def forward(self, ids: Tensor, valid: Tensor) -> Tokens:
        return Tokens((self.word(ids) + self.place) * valid[..., None], valid.bool(), WORDS)
