"""The three gravest findings, told when a training begins; only what costs no noticeable time."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from lerobot_dp_plus.doctor.examine import NUMBERS, examined
from lerobot_dp_plus.doctor.finding import Finding, Gravity, gravest
from lerobot_dp_plus.doctor.recording import Recording, of_dataset
from lerobot_dp_plus.patches import replaced

logger = logging.getLogger(__name__)

#: Findings that are told, and frames that they are sought in.
TOLD, FRAMES = 3, 20_000


@contextmanager
def told(script: ModuleType) -> Iterator[None]:
    """While open, LeRobot's training `script` says the gravest findings of the data that it trains on."""
    original = script.make_train_eval_datasets

    def make_train_eval_datasets(cfg: Any) -> Any:
        made = original(cfg)
        tell(made[0])
        return made

    with replaced(script, "make_train_eval_datasets", make_train_eval_datasets):
        yield


@contextmanager
def untold() -> Iterator[None]:
    """While open, a training keeps these findings to itself: they have just been told."""

    def held_back(record: logging.LogRecord) -> bool:
        return False

    logger.addFilter(held_back)
    try:
        yield
    finally:
        logger.removeFilter(held_back)


def tell(dataset: Any) -> list[Finding]:
    """Log the gravest findings of LeRobot's dataset or of one in memory; nothing where all is fine.

    What a training says of its data by itself is not repeated. A dataset that cannot be examined is passed over: a training
    must not fail for it.
    """
    try:
        recording = of_dataset(getattr(dataset, "host", dataset))
        found = worst(recording.part(FRAMES))
    except Exception as error:
        logger.debug("the recording was not examined: %s", error)
        return []
    for each in found:
        do = f" {each.do}" if each.do else ""
        logger.warning("recording, %s (%s): %s%s", each.name, each.gravity.said, each.said, do)
    if found:
        logger.info("recording: dp-plus doctor %s says more", recording.name)
    return found


def worst(recording: Recording) -> list[Finding]:
    """At most `TOLD` findings that are not fine."""
    cheap = tuple(each for each in NUMBERS if each.cheap and not each.remarked)
    return [each for each in gravest(examined(recording, cheap)) if each.gravity > Gravity.FINE][:TOLD]
