"""Does the policy read the instructions of its dataset? Settled when a training begins."""

import logging
from collections.abc import Sequence
from typing import Any

from lerobot_dp_plus.encoders import AutomaticWords, NoWords, WordNgrams
from lerobot_dp_plus.networks import NetworkConfig
from lerobot_dp_plus.notation import WORDS
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.dataset_remarks import remark_on_tasks, shown_tasks, tasks_of
from lerobot_dp_plus.policies.paraphrases import note_instructions
from lerobot_dp_plus.policies.subtasks import adopt_sentences

logger = logging.getLogger(__name__)


def adopt_instructions(config: DpPlusConfig, meta: Any, episodes: Sequence[int] | None = None) -> None:
    """Settle words.type=automatic by the (selected) episodes' instructions, and note these for the processor.

    Several instructions that nobody reads are warned of; one or none that somebody reads, too. What is to be told in words is
    settled, too.

    Raises:
        ValueError: as `note_instructions` and `adopt_sentences`.
    """
    tasks = tasks_of(meta, episodes)
    adopt_sentences(config, meta, list(tasks))
    if isinstance(config.words, AutomaticWords) and config.pretrained_path is None:
        several = len(tasks) > 1 and WORDS in config.network.reads
        config.words = WordNgrams() if several else NoWords()
        if several:
            logger.info(
                "the dataset has %d instructions, and the policy reads them (words.type=ngrams): %s. "
                "--policy.words.type=none leaves them unread",
                len(tasks), shown_tasks(tasks),
            )  # fmt: skip
    if not config.words.reads:
        legal = [name for name, kind in NetworkConfig.get_known_choices().items() if WORDS in kind.reads]
        remark_on_tasks(tasks, legal)
        return
    if not any(map(str.strip, tasks)):
        raise ValueError(
            f"words.type = {config.words.get_choice_name(type(config.words))}: the dataset has no instruction to read; its tasks are "
            f"{sorted(tasks)}. Legal is words.type=none"
        )
    if len(tasks) == 1:
        logger.warning(
            "the dataset has one instruction, %s: what is said will make no difference to the policy",
            shown_tasks(tasks),
        )
    note_instructions(config, meta, tasks)
