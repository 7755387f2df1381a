"""What every encoder of instructions offers. An instruction is a sentence, the `task` of LeRobot's datasets."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import draccus
from torch import Tensor, nn

from lerobot_dp_plus.notation import Span, Tokens

#: Where the processor puts what it makes of sentences, named as LeRobot names them.
WORD_IDS, WORDS_VALID = "observation.language.tokens", "observation.language.attention_mask"


class WordEncoder(nn.Module, ABC):
    """Ids of words -> tokens."""

    @abstractmethod
    def forward(self, ids: Tensor, valid: Tensor) -> Tokens:
        """Ids (B, W) int64, and which of them are words (B, W) bool -> tokens of the kind `WORDS`."""


@dataclass(frozen=True)
class Words(draccus.ChoiceRegistry, ABC):
    """How instructions are read, or that none are."""

    @abstractmethod
    def span(self) -> Span | None:
        """How many tokens an instruction makes, and how wide; None if nothing is read."""

    @abstractmethod
    def ids(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """For the processor: ids (B, W) int64, and which of them are words (B, W) bool."""

    @abstractmethod
    def build(self) -> WordEncoder | None:
        """The encoder, or None if nothing is read."""


@Words.register_subclass("none")
@dataclass(frozen=True)
class NoWords(Words):
    """Instructions are not read."""

    def span(self) -> None:
        return None

    def ids(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        raise ValueError("words.type=none reads no instructions")

    def build(self) -> None:
        return None
