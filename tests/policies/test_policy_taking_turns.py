"""Threads that share a pipeline get what is theirs, although LeRobot's steps remember what they work on."""

import contextlib
import copy
import pickle
import threading
from typing import Any

import pytest
import torch
from lerobot.policies import make_pre_post_processors
from lerobot.processor import DataProcessorPipeline
from lerobot.processor.rename_processor import RenameObservationsProcessorStep
from tiny import policy

from lerobot_dp_plus import load_policy
from lerobot_dp_plus.policies.taking_turns import TakingTurns, taking_turns


class Waiting(RenameObservationsProcessorStep):
    """LeRobot's step, which waits for another thread, but not for ever, right after it has noted what it works on."""

    def __init__(self, patience: float) -> None:
        super().__init__()
        self.patience, self.both = patience, threading.Barrier(2)

    @property
    def _current_transition(self) -> Any:
        return self.__dict__.get("noted")

    @_current_transition.setter
    def _current_transition(self, value: Any) -> None:
        self.__dict__["noted"] = value
        with contextlib.suppress(threading.BrokenBarrierError):
            self.both.wait(self.patience)


def shared(pipeline: Any) -> list[float]:
    """What two threads get that put 0 and 1 into one pipeline at the same time."""
    found, together = [-1.0, -1.0], threading.Barrier(2)

    def put(number: int) -> None:
        together.wait(timeout=10)
        found[number] = pipeline({"observation.state": torch.full((1,), float(number))})["observation.state"].item()

    threads = [threading.Thread(target=put, args=(number,)) for number in (0, 1)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return found


def test_each_gets_its_own() -> None:
    assert shared(taking_turns(DataProcessorPipeline(steps=[Waiting(0.3)]))) == [0.0, 1.0]


def test_lerobots_own_pipeline_still_needs_it() -> None:
    found = shared(DataProcessorPipeline(steps=[Waiting(30)]))
    assert found[0] == found[1], "both get the same one's: once this fails, `taking_turns.py` may go"


@pytest.fixture
def saved(tmp_path):
    made = policy()
    made.save_pretrained(tmp_path)
    stats = {key: {"min": -torch.ones(n), "max": torch.ones(n)} for key, n in (("observation.state", 4), ("action", 2))}
    for pipeline in make_pre_post_processors(made.config, dataset_stats=stats):
        assert type(pipeline) is TakingTurns, "as they are made for a training"
        pipeline.save_pretrained(tmp_path)
    return tmp_path


def test_those_of_a_checkpoint_take_turns_and_are_pipelines_as_before(saved) -> None:
    _, preprocess, postprocess = load_policy(saved)
    seen = {"observation.state": torch.rand(2, 4)}
    for pipeline in (preprocess, postprocess):
        assert type(pipeline) is TakingTurns and isinstance(pipeline, DataProcessorPipeline)
    for twin in (copy.deepcopy(preprocess), pickle.loads(pickle.dumps(preprocess))):
        assert torch.equal(twin(seen)["observation.state"], preprocess(seen)["observation.state"])
