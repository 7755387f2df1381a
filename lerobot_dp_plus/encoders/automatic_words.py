"""Words are read where a dataset has several instructions."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from lerobot_dp_plus.encoders.words import Words


@Words.register_subclass("automatic")
@dataclass(frozen=True)
class AutomaticWords(Words):
    """`ngrams` if the dataset has several instructions and the network reads words, else `none`.

    It is settled when a training begins. Until then nothing is read.
    """

    def span(self) -> None:
        return None

    def ids(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        raise ValueError("words.type=automatic is settled by a dataset, and reads no instructions until then")

    def build(self) -> None:
        return None
