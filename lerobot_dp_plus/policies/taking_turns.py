"""Pipelines that several threads may share."""

import threading
from typing import Any

from lerobot.processor import DataProcessorPipeline

#: Whoever processes; one lock for all pipelines, because processing is short.
TURN = threading.RLock()


class TakingTurns(DataProcessorPipeline):
    """LeRobot's pipeline, one thread at a time.

    LeRobot's steps put what they work on into an attribute and read it from there. Two threads that share a step may then
    get each other's observation or action. LeRobot's evaluation with max_parallel_tasks > 1 has such threads.
    """

    def _forward(self, transition: Any) -> Any:
        with TURN:
            return super()._forward(transition)


def taking_turns(pipeline: Any) -> Any:
    """The same pipeline, which threads may share now."""
    pipeline.__class__ = TakingTurns
    return pipeline
