"""From a sentence to what the policy's encoder of words reads; in training it is paraphrased, or hidden."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import draccus
import torch
from lerobot.configs import PipelineFeatureType, PolicyFeature
from lerobot.lerobot_types import EnvTransition, TransitionKey
from lerobot.processor import ProcessorStep, ProcessorStepRegistry
from torch import Tensor

from lerobot_dp_plus.encoders import WORD_IDS, WORDS_VALID, NoWords, Words
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.paraphrases import instructions_of
from lerobot_dp_plus.policies.randomness import drawing_from, new_stream

logger = logging.getLogger(__name__)

#: Instructions that a checkpoint tells of.
TOLD = 6


@ProcessorStepRegistry.register("dp_plus_words_processor")
@dataclass
class WordsProcessorStep(ProcessorStep):
    """Makes the instruction, `task`, into what the policy's encoder of words reads, under LeRobot's names for it.

    In training a sentence is replaced by one of its paraphrases, drawn among them and itself, and a share of the
    sentences is hidden. Random numbers are the step's own and saved with it. What is left as it is: a transition without
    an action, as in inference, and any while gradients are off, as for a held-out loss.

    Attributes:
        words: how instructions are read.
        paraphrases: an instruction of the data -> other sentences that mean the same.
        told: some of the data's instructions, for a reader of the checkpoint and for its card.
        centre: (D,), the mean vector of the data's instructions, which is taken off vectors of a frozen encoder of
            sentences: what all instructions have in common says nothing. None if there is none.
    """

    words: Words | dict[str, Any] = field(default_factory=NoWords)
    paraphrases: Mapping[str, Sequence[str]] = field(default_factory=dict)
    told: Sequence[str] = ()
    stream: Tensor = field(default_factory=new_stream, init=False, repr=False)
    centre: Tensor | None = field(default=None, init=False, repr=False)
    _silent: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.words, dict):  # as saved
            self.words = draccus.decode(Words, self.words)

    @classmethod
    def of(cls, config: DpPlusConfig) -> "WordsProcessorStep":
        """The step of a config, with what the dataset of its training says."""
        told = instructions_of(config)
        some = list(told)[:: max(1, len(told) // TOLD)][:TOLD]
        step = cls(config.words, {said: others for said, others in told.items() if others}, some)
        if config.words.centred and told:
            vectors, valid = config.words.ids([each for said, others in told.items() for each in (said, *others)])
            if valid.any():
                step.centre = vectors[valid].mean(0)
        return step

    def __call__(self, transition: EnvTransition) -> EnvTransition:
        observation = transition.get(TransitionKey.OBSERVATION)
        if observation is None:
            return transition
        task = (transition.get(TransitionKey.COMPLEMENTARY_DATA) or {}).get("task")
        if task is None:
            raise ValueError(
                "the policy reads an instruction, and there is no `task`; give it with the observation, as a sentence"
            )
        sentences = [task] if isinstance(task, str) else list(task)
        if transition.get(TransitionKey.ACTION) is not None and torch.is_grad_enabled():
            sentences = self._varied(sentences)
        else:
            self._say_if_silent(sentences)
        ids, valid = self.read(sentences)
        changed = transition.copy()
        changed[TransitionKey.OBSERVATION] = {**observation, WORD_IDS: ids, WORDS_VALID: valid}
        return changed

    def read(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """What the policy reads of sentences, as `Words.ids` gives it, with the centre taken off."""
        ids, valid = self.words.ids(sentences)  # type: ignore[union-attr]
        if self.centre is not None:
            ids = (ids - self.centre) * valid[..., None]
        return ids, valid

    def _varied(self, sentences: list[str]) -> list[str]:
        """Sentences as a training meets them."""
        dropped = self.words.dropped  # type: ignore[union-attr]
        if not dropped and not self.paraphrases:
            return sentences
        with drawing_from(self.stream, torch.device("cpu")):
            chosen, hidden = torch.rand(2, len(sentences)).tolist()
        made = []
        for sentence, where, hide in zip(sentences, chosen, hidden, strict=True):
            ways = (sentence, *self.paraphrases.get(sentence, ()))
            made.append("" if hide < dropped else ways[int(where * len(ways))])
        return made

    def _say_if_silent(self, sentences: list[str]) -> None:
        """Say once that a sentence is empty."""
        if self._silent or all(map(str.strip, sentences)):
            return
        self._silent = True
        share = self.words.dropped  # type: ignore[union-attr]
        trained = f"for which {share:.0%} of the training was" if share else "which it was not trained for"
        logger.warning(
            "the policy reads an instruction, and this one is empty: it acts without one, %s. Give a sentence with "
            "`task`, as act(observation, task=…), --task of lerobot-rollout, or an environment's task_description",
            trained,
        )

    def get_config(self) -> dict[str, Any]:
        paraphrases = {said: list(others) for said, others in self.paraphrases.items()}
        optional = {"paraphrases": paraphrases, "told": list(self.told)}
        return {"words": draccus.encode(self.words, Words)} | {name: each for name, each in optional.items() if each}

    def state_dict(self) -> dict[str, Tensor]:
        centre = {} if self.centre is None else {"centre": self.centre.clone()}
        return {"stream": self.stream.clone(), **centre}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.stream = state["stream"].clone()
        self.centre = state["centre"].clone() if "centre" in state else None

    def transform_features(
        self, features: dict[PipelineFeatureType, dict[str, PolicyFeature]]
    ) -> dict[PipelineFeatureType, dict[str, PolicyFeature]]:
        return features
