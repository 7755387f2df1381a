"""What every encoder of instructions offers. An instruction is a sentence, the `task` of LeRobot's datasets."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import draccus
from torch import Tensor, nn

from lerobot_dp_plus.notation import Span, Tokens

#: Where the processor puts what it makes of sentences, named as LeRobot names them.
WORD_IDS, WORDS_VALID = "observation.language.tokens", "observation.language.attention_mask"


class WordEncoder(nn.Module, ABC):
    """What the processor made of sentences -> tokens."""

    @abstractmethod
    def forward(self, ids: Tensor, valid: Tensor) -> Tokens:
        """Words (B, W, …) as `Words.ids` gives them, and which of them are there (B, W) bool -> tokens of the kind `WORDS`."""


@dataclass(frozen=True)
class Words(draccus.ChoiceRegistry, ABC):
    """How instructions are read, or that none are.

    Attributes:
        dropped: share of the sentences that are hidden in training, so that the policy also acts without one, and
            guidance.type=classifier_free can stress what is said.
    """

    #: Whether the mean vector of the data's instructions is taken off every vector.
    centred: ClassVar[bool] = False

    dropped: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        if not 0 <= self.dropped < 1:
            raise ValueError(f"words.dropped = {self.dropped}: must be at least 0 and less than 1")

    @property
    def reads(self) -> bool:
        """Whether instructions are read."""
        return self.span() is not None

    @abstractmethod
    def span(self) -> Span | None:
        """How many tokens an instruction makes, and how wide; None if nothing is read."""

    @abstractmethod
    def ids(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """For the processor: words (B, W, …), and which of them are there (B, W) bool.

        They are whole numbers, or vectors of a frozen encoder.
        """

    def pieces(self, sentence: str) -> list[str]:
        """What of a sentence each of its tokens is of, in their order; the sentence itself if it is one token."""
        return [sentence] if sentence.strip() else []

    @abstractmethod
    def build(self) -> WordEncoder | None:
        """The encoder, or None if nothing is read."""


@dataclass(frozen=True)
class Unread(Words):
    """What members share that read no instructions.

    Attributes:
        refusal: what is said when sentences are to be read all the same.
    """

    refusal: ClassVar[str]

    def span(self) -> None:
        return None

    def ids(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        raise ValueError(self.refusal)

    def build(self) -> None:
        return None


@Words.register_subclass("none")
@dataclass(frozen=True)
class NoWords(Unread):
    """Instructions are not read."""

    refusal: ClassVar[str] = "words.type=none reads no instructions"
