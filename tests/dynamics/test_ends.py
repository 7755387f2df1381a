"""Ends that are not one Gaussian: groups in closed form, two goals where the middle is none, and what a training says."""

import logging
from itertools import pairwise

import pytest
import torch

from lerobot_dp_plus.auxiliary import Surroundings, View
from lerobot_dp_plus.auxiliary.dynamics import Equal, Gaussian, Information, Mixture, Outcome
from lerobot_dp_plus.auxiliary.dynamics.ends import Context, GaussianEnds
from lerobot_dp_plus.auxiliary.dynamics.ends.known import Known
from lerobot_dp_plus.auxiliary.dynamics.ends.noticing import FIRST
from lerobot_dp_plus.notation import Scene
from lerobot_dp_plus.units import ACTION, Units

STATE, STEPS = "observation.state", 3
LEFT, RIGHT = torch.tensor([-0.6, 0.2]), torch.tensor([0.6, -0.1])


def two_goals(count: int = 120) -> tuple[torch.Tensor, torch.Tensor]:
    """Ends (N, 2) at one of two goals, and at which."""
    side = torch.arange(count) % 2 == 0
    spread = 0.03 * torch.randn(count, 2)
    return torch.where(side[:, None], LEFT, RIGHT) + spread, side


def one_goal(count: int, kind: str) -> torch.Tensor:
    """Ends at one goal of an odd shape: even over a range, or nearly on a curve."""
    if kind == "even":
        return torch.rand(count, 3) * torch.tensor([1.6, 0.1, 0.4]) - 0.5
    angle = torch.randn(count, 1)
    return torch.cat([0.4 * angle, 0.05 * angle.square(), angle.sin() / 5], 1) + 0.005 * torch.randn(count, 3)


def test_each_goal_has_the_mean_and_spread_of_its_own_ends():
    ends, side = two_goals()
    model = Mixture().build(2)
    model.gather(ends)
    assert (model.share > 0).sum() == 2 and model.seen == 120
    observation = torch.randn(50, 4, 2)
    nearest = []
    for group in (ends[side], ends[~side]):
        off = (observation - group.mean(0)) / group.std(0, correction=0)
        nearest.append(off.square().mean(-1).sqrt())
    torch.testing.assert_close(model.distance(observation, Equal()), torch.minimum(*nearest), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["even", "curve"])
def test_one_goal_of_an_odd_shape_is_as_one_gaussian(kind):
    ends = one_goal(150, kind)
    mixture, gaussian = Mixture().build(3), GaussianEnds(3)
    mixture.gather(ends)
    gaussian.gather(ends)
    observation = torch.randn(50, 3)
    told = [model.distance(observation, Information()) for model in (mixture, gaussian)]
    torch.testing.assert_close(*told, rtol=1e-3, atol=1e-3)


def test_with_one_group_at_most_it_is_one_gaussian():
    ends, _ = two_goals()
    model = Mixture(most=1).build(2)
    model.gather(ends)
    torch.testing.assert_close(model.mean[0], ends.mean(0))
    with pytest.raises(ValueError, match=r"dynamics\.ends\.most = 0: must be at least 1"):
        Mixture(most=0)


def moves(model, states, chunks):
    """The law o_{t+k} = o_t + Σ a in place of the learned one."""
    return states[STATE][:, -1:] + chunks.cumsum(1)


@pytest.mark.parametrize(("ends", "first"), [(Gaussian(), "middle"), (Mixture(), "right")])
def test_one_gaussian_ranks_the_middle_first_and_the_mixture_a_goal(ends, first, monkeypatch):
    """Three chunks lead nearly to the left goal, to the middle, and to the right goal."""
    around = Surroundings({STATE: 2}, {}, 2, 2, None)
    model = Outcome(steps=STEPS, dim=8, depth=1, ends=ends).build(around).train()
    units = Units({STATE: 2, ACTION: 2})
    reached, _ = two_goals()
    future = reached[:, None].expand(-1, STEPS, -1)
    states, real = torch.zeros(len(reached), 2, 2), torch.ones(len(reached), 2 + STEPS, dtype=torch.bool)
    real[:, -1] = False
    actions = torch.zeros(len(reached), STEPS, 2)
    model.loss(
        View({STATE: torch.cat([states, future], 1)}, actions, actions[..., 0] == 0, real), (), units, every=False
    )
    monkeypatch.setattr(type(model), "_outcome", lambda self, moment, units: moves(self, moment.states, moment.actions))
    targets = torch.stack([0.9 * LEFT, (LEFT + RIGHT) / 2, 0.97 * RIGHT])
    chunks = (targets / STEPS)[None, :, None].expand(1, 3, STEPS, 2)
    energy = model.eval().energies(units)["end"](chunks, Scene({STATE: torch.zeros(1, 2, 2)}, 0, STEPS))
    assert ["left", "middle", "right"][int(energy[0].argmin())] == first


def known(most: int, width: int = 2, key: int | None = None) -> Known:
    zero = torch.zeros((), dtype=torch.int64)
    return Known(torch.zeros(most, width), zero, zero.clone(), width if key is None else key)


def test_an_end_is_kept_once_however_often_it_is_met():
    ends, _ = two_goals(20)
    kept = known(64)
    for piece in torch.cat([ends, ends.flip(0), ends[3:4]]).split(7):
        kept.add(piece)
    assert kept.held == 20 and torch.equal(kept.rows[:20], ends)
    for piece in torch.randn(100, 2).split(9):
        kept.add(piece)
    assert kept.held == 64, "no more than there is room for"


def test_only_the_first_numbers_tell_rows_apart():
    kept = known(8, width=3, key=2)
    kept.add(torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 4.0], [1.0, 0.0, 3.0]]))
    kept.add(torch.tensor([[1.0, 2.0, 5.0]]))
    assert kept.rows[:2].tolist() == [[1, 2, 3], [1, 0, 3]] and kept.held == 2


def test_all_are_looked_at_again_when_there_are_a_tenth_more():
    kept, ripe = known(100), []
    for row in torch.randn(100, 1, 2):
        if kept.add(row):
            ripe.append(int(kept.held))
    assert ripe[:3] == [2, 3, 4] and 11 * ripe[-1] > 10 * 100
    assert all(11 * before <= 10 * after < 11 * before + 10 for before, after in pairwise(ripe))


def test_pieces_and_repetitions_make_the_same_groups():
    ends, _ = two_goals(110)
    once, often = (Mixture().build(2) for _ in range(2))
    once.gather(ends)
    for piece in torch.cat([ends[:100], ends[:50], ends[100:]]).split(10):
        often.gather(piece)
    assert often.fitted == often.held == 110
    torch.testing.assert_close(often.mean[:2], once.mean[:2])


def told_by(caplog, ends: torch.Tensor, words: torch.Tensor | None = None) -> list[str]:
    """What a training with one Gaussian says of these ends, met in batches and twice."""
    caplog.clear()
    model = GaussianEnds(ends.shape[1])
    with caplog.at_level(logging.WARNING, "lerobot_dp_plus"):
        for _ in range(2):
            for at in torch.arange(len(ends)).split(8):
                model.gather(ends[at], Context(None, None if words is None else words[at]))
    return [record.getMessage() for record in caplog.records]


def test_a_training_says_once_that_there_are_several_goals(caplog):
    (said,) = told_by(caplog, two_goals()[0])
    assert "fall into 2 groups" in said and "--policy.dynamics.ends.type=mixture" in said


def test_a_training_says_that_the_sentence_decides(caplog):
    ends, side = two_goals()
    words = torch.nn.functional.one_hot(side.long(), 256).float()
    (said,) = told_by(caplog, ends, words)
    assert "--policy.dynamics.ends.type=conditional" in said
    (said,) = told_by(caplog, ends, words[torch.randperm(len(words))])
    assert "ends.type=mixture" in said, "sentences that decide nothing"


@pytest.mark.parametrize("kind", ["even", "curve", "few"])
def test_of_one_goal_or_few_ends_nothing_is_said(caplog, kind):
    ends = two_goals(FIRST - 2)[0] if kind == "few" else one_goal(300, kind)
    assert told_by(caplog, ends) == []
