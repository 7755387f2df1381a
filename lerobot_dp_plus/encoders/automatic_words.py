"""Words are read where a dataset has several instructions."""

from dataclasses import dataclass
from typing import ClassVar

from lerobot_dp_plus.encoders.words import Unread, Words


@Words.register_subclass("automatic")
@dataclass(frozen=True)
class AutomaticWords(Unread):
    """`ngrams` if the dataset has several instructions and the network reads words, else `none`.

    It is settled when a training begins. Until then nothing is read.
    """

    refusal: ClassVar[str] = "words.type=automatic is settled by a dataset, and reads no instructions until then"
