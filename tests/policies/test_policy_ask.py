"""A person decides between the modes of a policy's candidates; the rule ranks the chunks in the mode."""

import copy
import pickle

import numpy as np
import pytest
import torch
from test_policy_watching import AFFINE, watched
from tiny import HORIZON, IMAGES, STATE, frame

from lerobot_dp_plus.asking import Question
from lerobot_dp_plus.modes import GaussianMixture
from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.selection import Ask, Function
from lerobot_dp_plus.units import ACTION

N = 32


def highest(candidates: Candidates, tail) -> torch.Tensor:
    """The candidate whose last action is the largest in the second coordinate: nothing that a mode would tell."""
    return candidates.chunks[:, :, -1, 1].argmax(1)


RULE = Function(N, f"{__name__}:highest")


def forked(made, monkeypatch, sides=(0.5, -0.5, 0.0)):
    """Every chunk of observation b ends at ± sides[b] in the first coordinate, for a third of the candidates at −."""

    def draw(recipe, window, noise, count):
        batch = len(next(iter(window.values())))
        chunks = 0.02 * torch.randn(batch, count, HORIZON, 2)
        side = torch.tensor(sides[:batch])[:, None] * torch.where(torch.arange(count) % 3 == 0, -1.0, 1.0)
        chunks[..., 0] += side[..., None] * torch.linspace(0, 1, HORIZON)
        return Candidates(chunks)

    monkeypatch.setattr(made, "_candidates", draw)
    return made


def test_the_chosen_mode_is_executed_and_the_rule_ranks_in_it(monkeypatch) -> None:
    asked: list[Question] = []
    made = forked(watched(selection=Ask(RULE)), monkeypatch)
    for wanted, sign in ((0, 1.0), (1, -1.0)):
        asked.clear()
        made.ask = lambda each, wanted=wanted: asked.append(each) or wanted
        made.reset()
        made.select_action(frame(made.config))
        proposed, chosen = made.episode.replan.proposed, made.chosen
        assert [each.number for each in asked] == [0, 1] and asked[0].of == 3, "the third has one mode"
        ends = chosen.chunks[:2, 0, -1, 0]
        assert (ends * torch.tensor([sign, -sign]) > 0.3).all()
        for b in range(2):
            mode = chosen.mode[b, 0]
            inside = proposed.chunks[b][proposed.mode[b] == mode]
            best = inside[inside[:, -1, 1].argmax()]
            assert torch.equal(chosen.chunks[b, 0], best)
        assert torch.equal(chosen.chunks[2, 0], proposed.at(RULE.choose(proposed, None)).chunks[2, 0])


def test_a_question_is_in_the_datasets_units_and_numbers_what_is_there(monkeypatch) -> None:
    asked: list[Question] = []
    made = forked(watched(selection=Ask(RULE, view=(0, 9, 0, 9))), monkeypatch)
    made.ask = lambda each: asked.append(each) or 0
    made.select_action(frame(made.config))
    proposed, one = made.episode.replan.proposed, asked[0]
    physical = made.model.units.physical(ACTION, proposed.chunks)[0].double().numpy()
    np.testing.assert_allclose(one.chunks, physical)
    assert abs(one.ends[0, 0] - AFFINE["action"][0]) > 40, "half of the range away"
    np.testing.assert_allclose(one.weights, [(N - 11) / N, 11 / N])
    assert one.scene is None and one.view == (0, 9, 0, 9)
    for k in range(2):
        assert one.representatives[k].tolist() in one.chunks[one.mode == k].tolist()
    one.chunks[:] = np.nan  # theirs to change
    assert torch.isfinite(made.chosen.chunks).all()


def test_without_an_answer_actions_are_those_of_the_rule(monkeypatch) -> None:
    actions = []
    for selection in (RULE, Ask(RULE), Ask(RULE, at_least=5.0)):
        torch.manual_seed(3)
        made = forked(watched(selection=selection), monkeypatch)
        made.ask = (lambda _: "left") if selection == Ask(RULE) else pytest.fail
        torch.manual_seed(4)
        actions.append(torch.stack([made.select_action(frame(made.config)) for _ in range(7)]))
    assert torch.equal(actions[0], actions[1]) and torch.equal(actions[0], actions[2])


def test_a_mode_of_which_nothing_may_be_done_is_not_offered(monkeypatch) -> None:
    """Candidates that break a constraint are left out before the question."""
    made, asked = forked(watched(selection=Ask(RULE)), monkeypatch), []
    draw = made._candidates

    def constrained(*given):
        found = draw(*given)
        return found._replace(energies={"violation": (found.chunks[:, :, -1, 0] < 0).float()})

    monkeypatch.setattr(made, "_candidates", constrained)
    made.ask = lambda each: asked.append(each) or 0
    made.select_action(frame(made.config))
    assert not asked and (made.chosen.chunks[:2, 0, -1, 0] > 0).all()


def test_an_answer_is_the_number_in_the_question(monkeypatch) -> None:
    """Of three ways the first one breaks a constraint: the question numbers the other two, 0 and 1."""
    made = watched(selection=Ask(Function(33, RULE.path)))
    ways = torch.arange(33) % 3 - 1.0  # -1, 0, 1

    def draw(recipe, window, noise, count):
        chunks = 0.02 * torch.randn(3, count, HORIZON, 2)
        chunks[..., 0] += ways[:, None] * torch.linspace(0, 1, HORIZON)
        return Candidates(chunks, {"violation": (ways < -0.5).float().expand(3, -1)})

    monkeypatch.setattr(made, "_candidates", draw)
    for answer, end in ((0, 0.0), (1, 1.0)):
        asked: list[Question] = []
        made.ask = lambda each, asked=asked, answer=answer: asked.append(each) or answer
        made.reset()
        made.select_action(frame(made.config))
        assert [len(each.weights) for each in asked] == [2, 2, 2]
        np.testing.assert_allclose(made.chosen.chunks[:, 0, -1, 0], end, atol=0.1)
        centre = AFFINE["action"][0] + AFFINE["action"][1] * end
        ends = sorted(asked[0].ends[:, 0])
        assert abs(asked[0].ends[answer, 0] - centre) < 10 and ends[0] < 20 < ends[1]


def test_the_scene_is_shown(monkeypatch) -> None:
    asked = []
    made = forked(watched(selection=Ask(RULE), inputs={**STATE, **IMAGES}), monkeypatch)
    made.ask = lambda each: asked.append(each) or 0
    seen = frame(made.config)
    made.select_action(seen)
    picture = seen["observation.image"][1].permute(1, 2, 0).numpy()
    scene = asked[1].scene
    assert scene.shape == picture.shape and scene.dtype == np.uint8
    expected = (picture - picture.min()) / (picture.max() - picture.min())
    np.testing.assert_allclose(scene / 255, expected, atol=1 / 255)


def test_copies_of_a_policy_go_on_asking(monkeypatch) -> None:
    made = watched(selection=Ask(RULE))
    made.ask = choose_second
    for copied in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        forked(copied, monkeypatch)
        copied.select_action(frame(copied.config))
        assert copied.ask is choose_second and copied.chosen.chunks[0, 0, -1, 0] < 0


def choose_second(_: Question) -> int:
    return 1


def test_it_needs_enough_candidates_for_modes() -> None:
    with pytest.raises(ValueError, match=r"selection\.type = ask needs modes, and 8 candidates are too few"):
        watched(selection=Ask(Function(path=RULE.path, num_candidates=8)))
    watched(selection=Ask(Function(path=RULE.path, num_candidates=16)), modes=GaussianMixture(space="whole"))
