"""A policy that is late: which chunk's action is executed when, and what the policy is told."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from lerobot_dp_plus.evaluation.delayed import Delayed

L = 9


class Counted:
    """Its chunk number n says 100·n + 0, 1, …, so that every action tells where it comes from."""

    def __init__(self) -> None:
        self.config = SimpleNamespace(
            chunk_length=L,
            observed_features={"observation.state": (1,)},
            spoken_features=(),
            n_obs_steps=2,
            observation_stride=1,
            fps=None,
            stride=1,
            n_action_steps=2,
            use_relative_actions=False,
            dynamics=SimpleNamespace(reads_start=False),
        )
        self.model = nn.Linear(1, 1)
        self.told: list[dict] = []

    def reset(self) -> None:
        self.told.clear()

    def predict_action_chunk(self, batch, **told):
        self.told.append(told | {"seen": batch["observation.state"].flatten().tolist()})
        return 100.0 * (len(self.told) - 1) + torch.arange(float(L)).reshape(1, L, 1)


def played(delay: int, every: int, steps: int = 12, **more) -> tuple[list[int], Delayed, Counted]:
    policy = Counted()
    late = Delayed(policy, delay, every, **more)
    actions = [int(late.select_action({"observation.state": torch.full((1, 1), float(step))})) for step in range(steps)]
    return actions, late, policy


def test_without_a_delay_it_looks_as_often_as_it_is_told() -> None:
    actions, late, _ = played(0, 3)
    assert actions == [0, 1, 2, 100, 101, 102, 200, 201, 202, 300, 301, 302]
    assert late.seams == [3, 6, 9] and late.chunks == 4


def test_a_late_chunk_takes_over_where_time_has_gone_on() -> None:
    """Drawn for step 3, in force from step 5 on with its action number 2; until then the plan goes on."""
    actions, late, policy = played(2, 3)
    assert actions == [0, 1, 2, 3, 4, 102, 103, 104, 202, 203, 204, 302]
    assert late.seams == [5, 8, 11]
    assert [told.get("inference_delay") for told in policy.told] == [None, 2, 2, 2]
    rest = policy.told[2]["prev_chunk_left_over"].flatten().tolist()
    assert rest == [103, 104, 105, 106, 107, 108], "what is left of the plan at step 6"


def test_the_next_is_begun_when_one_is_there() -> None:
    actions, late, _ = played(3, 3)
    assert actions == [0, 1, 2, 3, 4, 5, 103, 104, 105, 203, 204, 205]
    assert late.seams == [6, 9]


def test_frames_are_those_of_the_steps_or_of_the_chunks_alone() -> None:
    assert [told["seen"] for told in played(2, 3)[2].told] == [[0, 0], [2, 3], [5, 6], [8, 9]]
    alone = played(2, 3, frames_between=False)[2]
    assert [told["seen"] for told in alone.told] == [[0], [3], [6], [9]]


def test_an_episode_begins_anew() -> None:
    _, late, policy = played(2, 3)
    late.reset()
    assert late.seams == [] and int(late.select_action({"observation.state": torch.zeros(1, 1)})) == 0
    assert "inference_delay" not in policy.told[0]


@pytest.mark.parametrize(("delay", "every"), [(3, 2), (4, 6), (-1, 2), (0, 0), (5, 5)])
def test_chunks_that_do_not_reach_are_refused(delay, every) -> None:
    with pytest.raises(ValueError, match=f"delay = {delay}, every = {every}: must be delay <= every <= 9 − delay"):
        Delayed(Counted(), delay, every)
