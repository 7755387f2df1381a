"""Words by the hashes of their parts: a word is near to those that share parts with it, such as its other forms."""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from lerobot_dp_plus.encoders.words import WordEncoder, Words
from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.notation import WORDS, Span, Tokens

#: A word: a Chinese or Japanese character by itself, or a run of letters and digits.
WORD = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]|[^\W_\u3040-\u30ff\u4e00-\u9fff]+")
#: Parts of a word that are read.
MOST = 24


@Words.register_subclass("ngrams")
@dataclass(frozen=True)
class WordNgrams(Words):
    """Σ e(part)/√n + e'(place) for each word, over its n parts: the word itself and its runs of letters.

    Bojanowski et al., arXiv 1607.04606, eq. 2, with a sum that keeps its size. A word is marked at both ends before it
    is cut up. The row of a part is its CRC-32 modulo `buckets` (arXiv 0902.2206). Case does not count, only letters and
    digits do. A word never seen in training shares parts with words like it; if it has none in common with any, its
    rows are what training started from. Meanings are learned from the data's instructions alone.

    Attributes:
        buckets: rows of the table.
        dim: width of a token.
        max_words: how many words of a sentence are read; further words are left out.
        shortest, longest: letters in a run.
    """

    buckets: int = 4096
    dim: int = 64
    max_words: int = 24
    shortest: int = 3
    longest: int = 5
    dropped: float = field(default=0.1, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("words", self, buckets=1, dim=1, max_words=1, shortest=1)
        if self.longest < self.shortest:
            raise ValueError(f"words.longest = {self.longest}: must be at least words.shortest = {self.shortest}")

    def span(self) -> Span:
        return Span(self.max_words, self.dim)

    def parts(self, word: str) -> list[str]:
        """The word, marked at both ends, and its runs of letters, each once."""
        marked = f"<{word}>"
        lengths = range(self.shortest, self.longest + 1)
        runs = (marked[start : start + long] for long in lengths for start in range(len(marked) - long + 1))
        return list(dict.fromkeys([marked, *runs]))[:MOST]

    def ids(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Rows of the table plus one (B, W, MOST) int64, 0 where there is no further part; and which words there are."""
        rows = torch.zeros((len(sentences), self.max_words, MOST), dtype=torch.int64)
        for row, sentence in enumerate(sentences):
            for place, word in enumerate(self.pieces(sentence.lower())):
                hashed = [1 + zlib.crc32(part.encode()) % self.buckets for part in self.parts(word)]
                rows[row, place, : len(hashed)] = torch.tensor(hashed)
        return rows, rows[..., 0] > 0

    def pieces(self, sentence: str) -> list[str]:
        return WORD.findall(sentence)[: self.max_words]

    def build(self) -> "NgramEncoder":
        return NgramEncoder(self.buckets, self.dim, self.max_words)


class NgramEncoder(WordEncoder):
    """The table of parts and the table of places."""

    def __init__(self, buckets: int, dim: int, max_words: int):
        super().__init__()
        self.part = nn.Embedding(1 + buckets, dim, padding_idx=0)
        self.place = nn.Parameter(0.02 * torch.randn(max_words, dim))

    def forward(self, ids: Tensor, valid: Tensor) -> Tokens:
        count = (ids > 0).sum(-1, keepdim=True).clamp_min(1)
        words = self.part(ids).sum(2) / count.sqrt()
        return Tokens((words + self.place) * valid[..., None], valid.bool(), WORDS)
