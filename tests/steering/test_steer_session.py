"""What a person may do to a run, without a page: orders, what becomes of them, and what is refused."""

import math

import numpy as np
import pytest
import torch

from lerobot_dp_plus.evaluation.moment import in_words
from lerobot_dp_plus.steering.orders import Refused
from lerobot_dp_plus.steering.session import REACHED, Session
from lerobot_dp_plus.steering.shown import state
from lerobot_dp_plus.steering.ways import SAID

ALL = tuple(SAID)


def middle(session: Session, way: int = 0) -> torch.Tensor:
    """Where the middle candidate of a way leads, (S, 2)."""
    return session.moment.positions[int(session.moment.modes.nearest[0, way])]


def block_the_way(session: Session) -> tuple[float, float]:
    """A disc on the way of the heaviest mode, clear of the agent."""
    here = torch.as_tensor(session.arena.agent, dtype=torch.float32)
    far = (middle(session) - here).norm(dim=-1)
    x, y = middle(session)[int((far >= 45).nonzero()[0])].tolist()
    session.perform({"do": "block", "x": x, "y": y, "radius": 25})
    return x, y


def test_a_step_executes_the_plan_of_which_nobody_chose_another(session) -> None:
    made = session()
    before = made.arena.agent.copy()
    made.perform({"do": "step"})
    assert made.arena.steps == 1 and not np.allclose(made.arena.agent, before)
    assert len(made.plan) == made.policy.config.n_action_steps - 1
    for _ in range(5):
        made.perform({"do": "step"})
    assert not made.plan


def test_positions_that_are_shown_are_where_the_agent_goes(session) -> None:
    """The forward map is PushT's own controller, so the plan and the run agree to a hundredth of a pixel."""
    made = session()
    made.perform({"do": "choose", "mode": made.ids[0]})
    path = made.path.clone()
    for step in range(6):
        made.perform({"do": "step"})
        np.testing.assert_allclose(made.arena.agent, path[10 * (step + 1) - 1], atol=0.05)


@pytest.mark.parametrize("way", ALL)
def test_a_chosen_way_is_the_one_that_is_done(session, way: str) -> None:
    made = session(way)
    for number in list(made.ids):
        again = session(way)
        end = again._ends[number].clone()
        others = [each for key, each in again._ends.items() if key != number]
        again.perform({"do": "choose", "mode": number})
        reached = again.path[-1]
        assert all((reached - end).norm() < (reached - other).norm() for other in others), number


@pytest.mark.parametrize("way", ALL)
def test_an_obstacle_is_kept_clear_of(session, way: str) -> None:
    """Exactly by projection; by the others at least as well as without the rule."""
    made = session(way, candidates=48)
    drawn = made.moment.violation.clone()
    x, y = block_the_way(made)
    assert not bool((drawn > 0).any()) and made.obstacles == [(x, y, 25.0)]
    free = session("ranking", candidates=48)
    free.perform({"do": "block", "x": x, "y": y, "radius": 25})
    broken, unbent = (int((each.moment.violation > 1e-3).sum()) for each in (made, free))
    assert unbent > 0, "the disc is on the way"
    assert broken <= unbent
    if way == "projection":  # one plan right through the middle may be left; it is not taken
        assert broken <= 2
        for _ in range(6):
            made.perform({"do": "step"})
            assert math.dist(made.arena.agent, (x, y)) >= 25 + 15


@pytest.mark.parametrize("way", ALL)
def test_the_agent_goes_to_a_goal_and_the_wish_ends_there(session, way: str) -> None:
    made = session(way, candidates=16)
    x, y = made.arena.agent + np.array([70.0, -10.0]) * (1 if made.arena.agent[0] < 300 else -1)
    made.perform({"do": "send", "x": float(x), "y": float(y)})
    far = math.dist(made.arena.agent, (x, y))
    nearest = far
    for _ in range(8):
        made.perform({"do": "step"})
        nearest = min(nearest, math.dist(made.arena.agent, (x, y)))
        if made.goal is None:
            break
    assert nearest < 0.8 * far
    if made.goal is None:
        assert nearest <= REACHED and "reached" in made.said


def test_equal_orders_give_equal_actions_and_the_order_alone_changes_what_is_drawn(session) -> None:
    first, again = session(), session()
    assert torch.equal(first.moment.chunks, again.moment.chunks)
    for each in (first, again):
        each.perform({"do": "choose", "mode": each.ids[-1]})
        for _ in range(8):
            each.perform({"do": "step"})
    assert np.array_equal(first.arena.agent, again.arena.agent)
    third = session()
    third.perform({"do": "bend", "way": "ranking"})
    assert torch.equal(third.moment.found.noise, session().moment.found.noise)


def test_colours_stay_with_the_ways(session) -> None:
    made = session()
    for _ in range(8):
        before = {key: end.clone() for key, end in made._ends.items()}
        made.perform({"do": "step"})
        assert len(set(made.ids)) == len(made.ids) == len(made.moment.ways)
        common = [key for key in made.ids if key in before]
        if len(common) == 2 and len(before) == 2:
            a, b = common
            kept = (made._ends[a] - before[a]).norm() + (made._ends[b] - before[b]).norm()
            swapped = (made._ends[a] - before[b]).norm() + (made._ends[b] - before[a]).norm()
            assert kept <= swapped + 1e-3


def test_reset_starts_the_run_of_a_seed_anew(session) -> None:
    made = session()
    first = made.moment.chunks.clone()
    block_the_way(made)
    made.perform({"do": "step"})
    made.perform({"do": "reset", "seed": made.seed})
    assert made.arena.steps == 0 and not made.obstacles and torch.equal(made.moment.chunks, first)
    made.perform({"do": "reset", "seed": made.seed + 1})
    assert not torch.equal(made.moment.chunks, first)


REFUSED = [
    ({"do": "fly"}, "do = 'fly': legal are step, choose"),
    ({}, "do = None"),
    ([], "do = None"),
    ({"do": "perform"}, "do = 'perform'"),
    ({"do": "choose"}, "choose: mode missing"),
    ({"do": "choose", "mode": 99}, "the way 99 is gone; shown are blue"),
    ({"do": "choose", "mode": -1}, "is gone"),
    ({"do": "choose", "mode": "0"}, "mode = '0': must be a whole number"),
    ({"do": "choose", "mode": True}, "mode = 'True': must be a whole number"),
    ({"do": "block", "x": 10, "y": 10}, "block: radius missing"),
    ({"do": "block", "x": float("nan"), "y": 10, "radius": 20}, "x = nan: must be a number"),
    ({"do": "block", "x": 600, "y": 10, "radius": 20}, "is outside; the arena is 512 pixels wide"),
    ({"do": "block", "x": 20, "y": 20, "radius": 500}, "radius is 8 to 120 pixels, not 500"),
    ({"do": "unblock", "index": 0}, "obstacle 1 is gone; there are 0"),
    ({"do": "send", "x": 5, "y": 5}, "is outside; the agent goes from 15 to 497"),
    ({"do": "recall"}, "there is no goal to remove"),
    ({"do": "bend", "way": "magic"}, "way = 'magic': legal for this policy are ranking"),
    ({"do": "reset", "seed": -3}, "seed = -3: must be from 0"),
    ({"do": "reset", "seed": 1.5}, "seed = '1.5': must be a whole number"),
    ({"do": "reset", "seed": 10**40}, "must be from 0"),
    ({"do": "send", "x": 10**400, "y": 3}, "x = 1000000"),
]


def test_what_cannot_be_is_refused_and_changes_nothing(session) -> None:
    made = session()
    before = state(made)
    for order, said in REFUSED:
        with pytest.raises(Refused, match=said):
            made.perform(order)
    assert state(made) == before


def test_what_lies_on_each_other_is_refused(session) -> None:
    made = session()
    x, y = made.arena.agent.tolist()
    with pytest.raises(Refused, match="an obstacle cannot lie on the agent"):
        made.perform({"do": "block", "x": x + 30, "y": y, "radius": 25})
    with pytest.raises(Refused, match="the agent is there already"):
        made.perform({"do": "send", "x": x, "y": y})
    there = block_the_way(made)
    with pytest.raises(Refused, match="a goal cannot lie in an obstacle"):
        made.perform({"do": "send", "x": there[0], "y": there[1]})
    made.perform({"do": "unblock", "index": 0})
    made.perform({"do": "send", "x": there[0], "y": there[1]})
    with pytest.raises(Refused, match="an obstacle cannot lie on the goal"):
        made.perform({"do": "block", "x": there[0], "y": there[1], "radius": 20})
    for index in range(8):
        made.obstacles.append((500.0, 20.0 + index, 8.0))
    with pytest.raises(Refused, match="there are 8 obstacles, the most"):
        made.perform({"do": "block", "x": 10, "y": 500, "radius": 8})


def test_a_run_that_is_over_is_not_played_on(session) -> None:
    made = session()
    made.arena.over = True
    for order in ({"do": "step"}, {"do": "choose", "mode": made.ids[0]}):
        with pytest.raises(Refused, match="the run is over; reset starts another"):
            made.perform(order)


def test_the_policy_is_left_as_it_was(loaded) -> None:
    before = {
        name: getattr(loaded.policy.config, name)
        for name in ("energies", "guidance", "projection", "sampler", "forward")
    }
    made = Session(loaded, 3, 8, "stochastic")
    made.perform({"do": "send", "x": 256, "y": 256})
    made.close()
    assert {name: getattr(loaded.policy.config, name) for name in before} == before and loaded.policy.obstacles is None


def test_arguments_are_checked(loaded) -> None:
    with pytest.raises(ValueError, match="candidates = 1: must be at least 2"):
        Session(loaded, 0, 1)
    with pytest.raises(ValueError, match="seed = -1: must be at least 0"):
        Session(loaded, -1)
    with pytest.raises(ValueError, match="way = 'x': legal for this policy are"):
        Session(loaded, 0, 4, "x")


def test_ambiguity_is_told_in_words() -> None:
    assert in_words([1.0, 0.0]) == "All candidates do the same thing."
    assert "Two ways are open, and none is much more likely: 55 % and 45 %" in in_words([0.55, 0.45, 0.0])
    assert "Three ways are open, and one is nearly certain: 90 %, 6 % and 4 %" in in_words([0.9, 0.06, 0.04])
