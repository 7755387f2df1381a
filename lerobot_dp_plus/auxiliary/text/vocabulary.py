"""Sentences as numbers: the words of the training data, one number for each."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

#: Numbers that are no words: before the first, after the last, and for a word that the training data did not have.
BEGIN, END, UNKNOWN = range(3)
_SPECIAL = 3


class Vocabulary:
    """Words are what stands between spaces. So a sentence comes back as it was, but for the number of spaces.

    Args:
        words: those of the training data. The first has the number 3.
    """

    def __init__(self, words: Sequence[str]):
        self.words = tuple(words)
        self._numbers = {word: number for number, word in enumerate(self.words, _SPECIAL)}

    @classmethod
    def of(cls, sentences: Iterable[str]) -> "Vocabulary":
        """All words of sentences, in the order of the alphabet."""
        return cls(sorted({word for sentence in sentences for word in sentence.split()}))

    def __len__(self) -> int:
        """How many numbers there are, the three that are no words included."""
        return _SPECIAL + len(self.words)

    def unknown(self, sentences: Iterable[str]) -> list[str]:
        """Words of sentences that it does not have, in the order of the alphabet."""
        return sorted({word for sentence in sentences for word in sentence.split()} - self._numbers.keys())

    def ids(self, sentences: Sequence[str], longest: int) -> Tensor:
        """Sentences -> numbers (B, longest + 1) int64: the words, then `END` to the last column. Further words are left out."""
        rows = torch.full((len(sentences), longest + 1), END)
        for row, sentence in zip(rows, sentences, strict=True):
            found = [self._numbers.get(word, UNKNOWN) for word in sentence.split()[:longest]]
            row[: len(found)] = torch.tensor(found, dtype=torch.int64)
        return rows

    def sentences(self, ids: Tensor) -> list[str]:
        """Numbers (B, L) -> sentences, each up to its first `END`. An unknown word is "…"."""
        said = []
        for row in ids.tolist():
            until = row.index(END) if END in row else len(row)
            said.append(" ".join(self.words[each - _SPECIAL] if each >= _SPECIAL else "…" for each in row[:until]))
        return said
