"""Goals that depend on the start or on the sentence: a regression in closed form, with errors of rows left out."""

import pytest
import torch

from lerobot_dp_plus.auxiliary import Data, Surroundings
from lerobot_dp_plus.auxiliary.dynamics import Conditional, Equal, Outcome
from lerobot_dp_plus.auxiliary.dynamics.ends import Context, GaussianEnds, kernel_ridge
from lerobot_dp_plus.auxiliary.dynamics.ends.context import WIDTH, sentence_vector
from lerobot_dp_plus.encoders import HashedWords, WordNgrams
from lerobot_dp_plus.notation import Scene
from lerobot_dp_plus.units import ACTION, Units

STATE = "observation.state"


def words_of(sentences: list[str]) -> torch.Tensor:
    return sentence_vector(*WordNgrams().ids(sentences))


def test_errors_of_rows_left_out_are_those_of_fits_without_them(monkeypatch):
    """Each of N fits solves the equations of kernel ridge regression with a free mean, without one row."""
    monkeypatch.setattr(kernel_ridge, "RIDGES", (0.1,))
    monkeypatch.setattr(kernel_ridge, "WIDTHS", (1.0,))
    monkeypatch.setattr(kernel_ridge, "WORTH", 100.0)
    start, ends = torch.randn(20, 2).double(), torch.randn(20, 3).double()
    ends[:, 0] += 3 * start[:, 0]
    found = kernel_ridge.fit(Context(start, None), ends)
    gram = kernel_ridge.kernel(Context(start, None), Context(start, None), found.width)
    centring = torch.eye(20).double() - 1 / 20
    ridge = 0.1 * float((centring @ gram @ centring).diagonal().mean())
    left = []
    for row in range(20):
        others = torch.arange(20) != row
        system = torch.ones(20, 20).double()
        system[:19, :19] = gram[others][:, others] + ridge * torch.eye(19).double()
        system[19, 19] = 0
        solved = torch.linalg.solve(system, torch.cat([ends[others], torch.zeros(1, 3).double()]))
        left.append(ends[row] - gram[row, others] @ solved[:19] - solved[19])
    torch.testing.assert_close(found.spread, torch.stack(left).square().mean(0).sqrt())
    again = kernel_ridge.predicted(found, Context(start, None), Context(start[:4], None))
    system[:19, :19], whole = 0, torch.ones(21, 21).double()
    whole[:20, :20] = gram + ridge * torch.eye(20).double()
    whole[20, 20] = 0
    solved = torch.linalg.solve(whole, torch.cat([ends, torch.zeros(1, 3).double()]))
    torch.testing.assert_close(again, gram[:4] @ solved[:20] + solved[20])


def back_to_the_start(count: int = 150) -> tuple[torch.Tensor, torch.Tensor]:
    """Episodes end where they began, mirrored; the second number always ends at 0.3, wherever it began."""
    start = torch.rand(count, 2) * 2 - 1
    goal = torch.stack([-start[:, 0], torch.full((count,), 0.3)], 1)
    return start, goal + 0.02 * torch.randn(count, 2)


def test_a_goal_that_follows_the_start_is_known_from_the_start():
    start, ends = back_to_the_start()
    model = Conditional(words=False).build(2)
    for at in torch.arange(len(ends)).split(10):
        model.gather(ends[at], Context(start[at]))
    assert 0.015 < float(model.spread[0]) < 0.04, "the spread of what is left, not that of all ends"
    new = torch.rand(50, 2) * 1.6 - 0.8
    wanted = torch.stack([-new[:, 0], torch.full((50,), 0.3)], 1)
    assert (model.goal(Context(new)) - wanted).abs().max() < 0.03
    done, middle = (
        model.distance(at, Equal(), Context(new)) for at in (wanted, torch.tensor([[0.0, 0.3]]).expand(50, 2))
    )
    assert (done < 1.5).all() and (middle > done)[new[:, 0].abs() > 0.1].all()


def test_the_distance_is_the_gaussians_around_the_goal_that_follows():
    start, ends = back_to_the_start()
    model = Conditional(words=False).build(2)
    model.gather(ends, Context(start))
    observation, new = torch.randn(5, 3, 4, 2), torch.rand(5, 2)
    off = (observation - model.goal(Context(new))[:, None, None]) / model.spread
    torch.testing.assert_close(model.distance(observation, Equal(), Context(new)), off.square().mean(-1).sqrt())


def test_what_a_context_does_not_tell_is_as_in_one_gaussian():
    """Of the start, of the sentence, and of so few episodes that nobody can know."""
    ends, start = torch.randn(60, 3) * torch.tensor([0.02, 0.3, 1.0]), torch.randn(60, 3)
    words = words_of(["go left", "go right"] * 30)
    follows = start * 0.5
    for known, reached in ((60, ends), (12, follows[:12])):
        model, plain = Conditional().build(3), GaussianEnds(3)
        model.gather(reached, Context(start[:known], words[:known]))
        plain.gather(reached)
        observation, at = torch.randn(7, 3), torch.randint(known, (7,))
        told = model.distance(observation, Equal(), Context(start[at], words[at]))
        torch.testing.assert_close(told, plain.distance(observation, Equal()))


def test_the_sentence_decides_and_other_words_of_the_same_do_too():
    sentences = ["push the block to the left", "push the block to the right"]
    side = torch.arange(80) % 2
    ends = torch.where(side[:, None] == 0, -0.6, 0.6) + 0.03 * torch.randn(80, 2)
    model = Conditional(start=False).build(2)
    model.gather(ends, Context(None, words_of([sentences[each] for each in side.tolist()])))
    new = words_of(["the block, to the LEFT please", "to the right with the block"])
    goal = model.goal(Context(None, new))
    assert (goal[0] < -0.3).all() and (goal[1] > 0.3).all()
    middle = torch.zeros(2, 2)
    there = torch.tensor([[-0.6, -0.6], [0.6, 0.6]])
    exact = Context(None, words_of(sentences))
    assert (model.distance(there, Equal(), exact) < model.distance(middle, Equal(), exact) / 5).all()


def test_start_and_sentence_decide_together():
    """Told "stay" it ends on the side where it began, told "cross" on the other: neither alone tells."""
    start = torch.rand(200, 1) * 2 - 1
    crosses = torch.arange(200) % 2 == 1
    said = words_of(["stay", "cross"] * 100)
    ends = torch.where(crosses[:, None], -start, start) + 0.02 * torch.randn(200, 1)
    whole, alone = Conditional().build(1), Conditional(words=False).build(1)
    whole.gather(ends, Context(start, said))
    alone.gather(ends, Context(start, said))
    assert whole.spread[0] < 0.05 < 0.4 < alone.spread[0]


def test_hidden_sentences_teach_nothing_and_an_episode_said_otherwise_is_no_second_one():
    """A twin with another sentence would foretell its episode, and the error of rows left out would be none."""
    start, ends = torch.randn(40, 2), torch.randn(40, 2)
    model = Conditional().build(2)
    model.gather(ends, Context(start, words_of([""] * 40)))
    assert model.held == 0
    for sentence in ("go there", "move there", ""):
        model.gather(ends, Context(start, words_of([sentence] * 40)))
    assert model.held == 40
    torch.testing.assert_close(model.spread, ends.std(0, correction=0))


def test_sentences_are_bags_of_words():
    one, same, near, far, nothing = words_of(
        ["push the red block", "block push RED the!", "pushes a red block", "lift it", " "]
    )
    torch.testing.assert_close(one, same)
    assert one @ near > 0.4 > 0.2 > one @ far and not nothing.any()
    whole = sentence_vector(*HashedWords().ids(["push the red block", "red the push block"]))
    torch.testing.assert_close(whole[0], whole[1])
    vectors = torch.randn(3, 5, 300)
    valid = torch.arange(5) < torch.tensor([[5], [2], [0]])
    folded = sentence_vector(vectors * valid[..., None], valid)
    torch.testing.assert_close(folded.norm(dim=1), torch.tensor([1.0, 1.0, 0.0]))
    assert folded.shape == (3, WIDTH)


def test_the_energy_is_of_the_start_and_the_sentence_of_each_row():
    """In the data's units: two rows that differ in nothing else have other goals."""
    around = Surroundings({STATE: 2}, {}, 2, 2, None)
    model = Outcome(steps=2, dim=8, depth=1, ends=Conditional()).build(around).eval()  # "nothing changes"
    units = Units({STATE: 2, ACTION: 2})
    units.learn({STATE: ([10.0, 20.0], [5.0, 2.0]), ACTION: ([0.0, 0.0], [1.0, 1.0])})
    start, ends = back_to_the_start()
    said = ["do it"] * len(ends)
    model.ends.gather(ends, Context(start, words_of(said)))
    began = torch.tensor([[0.5, 0.0], [-0.5, 0.0]])
    now = units.physical(STATE, torch.tensor([[-0.5, 0.3]])).expand(2, 2, 2)
    heard = WordNgrams().ids(["do it"] * 2)
    tell, chunks = model.energies(units)["end"], torch.zeros(2, 3, 4, 2)
    scene = Scene({STATE: now}, 0, 2, began={STATE: units.physical(STATE, began)}, said=heard)
    energy = tell(chunks, scene)
    assert energy.shape == (2, 3) and (energy[0] < 2).all() and (energy[1] > 10).all()
    beginning = tell(chunks, Scene({STATE: now}, 0, 2, said=heard))
    assert (beginning > 10).all(), "this is the start: an episode that begins here ends on the other side"


def test_a_goal_needs_something_to_depend_on():
    with pytest.raises(ValueError, match=r"dynamics\.ends\.start = false and dynamics\.ends\.words = false"):
        Conditional(start=False, words=False)
    by_words = Outcome(ends=Conditional(start=False))
    with pytest.raises(ValueError, match=r"the sentence alone, and words\.type reads none"):
        by_words.check(Data({STATE: 2}, {}, 2))
    by_words.check(Data({STATE: 2}, {}, 2, speaks=True))
    assert by_words.needs(2, 1) == Outcome().needs(2, 1), "no frame of the start"
