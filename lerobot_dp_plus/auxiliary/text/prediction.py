"""The next word of what is done, from pictures: cross-entropy beside the loss of the chunks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Unpack

import torch
import torch.nn.functional as F
from torch import nn

from lerobot_dp_plus.auxiliary.base import (
    INSTRUCTION,
    SUBTASK,
    Around,
    AuxiliaryModel,
    Data,
    Further,
    Loss,
    Needs,
    Surroundings,
    View,
)
from lerobot_dp_plus.auxiliary.text.vocabulary import BEGIN, END, UNKNOWN, Vocabulary
from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.notation import Condition, Tokens, unsaid
from lerobot_dp_plus.units import Units

#: The most words that a vocabulary may have. With more a sentence is rather a document.
MOST_WORDS = 4096


@Further.register_subclass("text")
@dataclass(frozen=True)
class Text(Further):
    """L = −λ · mean_i log p(word_i | word_<i, first block), by the weights of the backbone.

    Transfusion (arXiv 2408.11039) trains one transformer on text by cross-entropy and on the rest by a denoising loss; text
    sees backwards, what is denoised sees all of itself. Its λ is with the denoising loss, here it is with the text. As in
    π0.5 (arXiv 2504.16054) text has the backbone's weights and actions have the expert's. Different from it, actions do not
    see the text, so it costs nothing in use. Embedding and output layer are learned from nothing.

    Where the instruction is to be told, a second pass of the backbone sees the pictures without it, in training only.

    Attributes:
        of: what is told. "instruction": `task`, from pictures alone. "subtask": the part of the task that is being done, from
            pictures and the instruction.
        weight: λ, of this loss beside the policy's.
        max_words: the most words of a sentence.
        vocabulary: words that it knows; taken from the data when a training begins.
    """

    teaches_backbone: ClassVar[bool] = True

    of: str = INSTRUCTION
    weight: float = 0.1
    max_words: int = 24
    vocabulary: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.of not in (INSTRUCTION, SUBTASK):
            raise ValueError(f"auxiliary.of = {self.of!r}: legal are {INSTRUCTION!r} and {SUBTASK!r}")
        at_least("auxiliary", self, max_words=1)
        if not self.weight > 0:
            raise ValueError(f"auxiliary.weight = {self.weight}: must be positive; to go without, auxiliary.type=none")

    @property
    def tells(self) -> str:
        return self.of

    def needs(self, n_obs_steps: int, observation_stride: int) -> Needs:
        return Needs(observations=(0,))

    def check(self, data: Data) -> None:
        if not data.writes:
            raise ValueError(
                "auxiliary.type = text goes on from what a backbone makes of places: legal with network.type = mixture, "
                "network.depth of at least 2, and keypoint_tokens, patches or things"
            )

    def adopting(self, sentences: Iterable[str]) -> "Text":
        said = [sentence for sentence in sentences if sentence.strip()]
        if not said:
            raise ValueError(
                f"auxiliary.of = {self.of}: the data say none; legal are a dataset that does, or auxiliary.type=none"
            )
        longest = max(said, key=lambda sentence: len(sentence.split()))
        if len(longest.split()) > self.max_words:
            raise ValueError(
                f"auxiliary.max_words = {self.max_words}: the dataset's longest {self.of} has {len(longest.split())} words, "
                f"{longest[:80]!r}; raise it"
            )
        if self.vocabulary:  # weights know what their numbers mean
            return self
        words = Vocabulary.of(said).words
        if len(words) > MOST_WORDS:
            raise ValueError(
                f"auxiliary.of = {self.of}: the data have {len(words)} different words; legal are at most {MOST_WORDS}"
            )
        return replace(self, vocabulary=words)

    def strangers(self, sentences: Iterable[str]) -> list[str]:
        return Vocabulary(self.vocabulary).unknown(sentences)

    def build(self, surroundings: Surroundings) -> "TextModel":
        return TextModel(self, surroundings)


class TextModel(AuxiliaryModel):
    """What writes, and the words it knows."""

    def __init__(self, config: Text, surroundings: Surroundings):
        super().__init__()
        assert surroundings.write is not None  # `check` has seen to it
        self.weight, self.longest, self.of = config.weight, config.max_words, config.of
        self.vocabulary = Vocabulary(config.vocabulary)
        self.writer = surroundings.write(len(self.vocabulary), config.max_words + 1)

    def loss(self, view: View, tokens: Sequence[Tokens], units: Units, **around: Unpack[Around]) -> Loss:
        device, condition, network = view.actions.device, around.get("condition"), around.get("network")
        said = [sentence or "" for sentence in view.sentences]
        told = torch.tensor([bool(sentence.strip()) for sentence in said], device=device)
        words = self.vocabulary.ids(said, self.longest)
        words = words[:, : int((words != END).sum(1).max()) + 1].to(device)  # (B, L), the longest with one `END`
        counted = torch.cumsum(words == END, 1) <= 1  # up to the first `END`
        scores = self.writer(F.pad(words[:, :-1], (1, 0), value=BEGIN), network, self._seen(tokens, condition, network))
        error = F.cross_entropy(scores.float().transpose(1, 2), words, reduction="none") * counted
        return Loss(self.weight * error.sum(1) / counted.sum(1), told.to(error.dtype))

    def _seen(self, tokens: Sequence[Tokens], condition: Condition, network: nn.Module | None) -> Condition:
        """What the text may see: all that the policy does, or without the instruction if that is what is to be told."""
        if self.of == SUBTASK:
            return condition
        hidden = unsaid(tokens)
        same = all(one is other for one, other in zip(hidden, tokens, strict=True))
        return condition if same else network.condition(hidden)  # type: ignore[union-attr, operator]

    def describe(self, tokens: Sequence[Tokens], condition: Condition, network: nn.Module) -> list[str]:
        """The likeliest word, one after the other, until the end or `max_words`."""
        seen = self._seen(tokens, condition, network)
        words = torch.full((len(tokens[0].values), 1), BEGIN, device=tokens[0].values.device)
        ended = torch.zeros(len(words), dtype=torch.bool, device=words.device)
        while not ended.all() and words.shape[1] <= self.longest:
            scores = self.writer(words, network, seen)[:, -1]
            scores[:, [BEGIN, UNKNOWN]] = -torch.inf
            following = scores.argmax(-1).masked_fill(ended, END)
            ended = ended | (following == END)
            words = torch.cat([words, following[:, None]], 1)
        return self.vocabulary.sentences(words[:, 1:])
