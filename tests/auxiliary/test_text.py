"""Telling in words: the vocabulary, the loss against its formula, what may be seen, and that it is learned."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lerobot_dp_plus.auxiliary import INSTRUCTION, SUBTASK, Data, Surroundings, Text, View
from lerobot_dp_plus.auxiliary.text.vocabulary import BEGIN, END, UNKNOWN, Vocabulary
from lerobot_dp_plus.networks import MixtureConfig
from lerobot_dp_plus.networks.backbones import Scratch
from lerobot_dp_plus.notation import PATCHES, STEPS, WORDS, Span, Tokens
from lerobot_dp_plus.units import Units

NETWORK = MixtureConfig(dim=8, depth=2, num_heads=2, head_dim=8, patch_size=4, backbone=Scratch(dim=16))
SPANS = {STEPS: Span(1, 3), PATCHES: Span(3, 4), WORDS: Span(2, 3)}
SAID = ("bring the red one", "carry the green one away", "stop")
either = pytest.mark.parametrize("of", [INSTRUCTION, SUBTASK])


class World:
    """A network and what tells of it. The first number of every place says which of three sentences is right."""

    def __init__(self, of: str = SUBTASK, **fields):
        torch.manual_seed(0)
        self.config = Text(of=of, weight=0.5, max_words=6).adopting(SAID)
        self.network = MixtureConfig(**{**vars(NETWORK), **fields}).build(horizon=8, action_dim=2, observation=SPANS)
        self.model = self.config.build(Surroundings({}, {}, 2, 0, None, write=self.network_config.writer))

    @property
    def network_config(self) -> MixtureConfig:
        return NETWORK

    def batch(self, count: int = 16) -> tuple[View, tuple[Tokens, ...]]:
        which = torch.randint(3, (count,))
        places = torch.randn(count, 3, 4)
        places[..., 0] = which[:, None] - 1.0
        steps, words = (
            Tokens(torch.randn(count, 1, 3)),
            Tokens(torch.randn(count, 2, 3), torch.ones(count, 2) > 0, WORDS),
        )
        empty = torch.zeros(count, 0, 2)
        view = View({}, empty, empty[..., 0] > 0, torch.ones(count, 1) > 0, [SAID[each] for each in which])
        return view, (steps, Tokens(places, None, PATCHES), words)

    def loss(self, view: View, tokens: tuple[Tokens, ...]):
        condition = self.network.condition(tokens)
        return self.model.loss(view, tokens, Units({}), every=True, condition=condition, network=self.network)

    def told(self, tokens: tuple[Tokens, ...]) -> list[str]:
        with torch.no_grad():
            return self.model.describe(tokens, self.network.condition(tokens), self.network)


def test_sentences_are_numbers_and_come_back():
    known = Vocabulary.of(SAID)
    assert known.words == tuple(
        sorted({*["bring", "the", "red", "one", "carry", "the", "green", "one", "away", "stop"]})
    )
    ids = known.ids([*SAID, "bring  the\tbig one", ""], longest=5)
    assert ids.shape == (5, 6) and ids[4].tolist() == [END] * 6 and UNKNOWN in ids[3].tolist()
    assert known.sentences(ids) == [*SAID, "bring the … one", ""]
    assert known.unknown(["bring the big one"]) == ["big"]
    assert known.sentences(known.ids(["the the the"], longest=2)) == ["the the"]


@either
def test_the_loss_is_the_mean_of_minus_log_p_of_each_word_and_of_the_end(of):
    """Against the formula, word by word and sample by sample."""
    world = World(of)
    view, tokens = world.batch(4)
    found = world.loss(view, tokens)
    for row, sentence in enumerate(view.sentences):
        alone = [
            Tokens(t.values[row : row + 1], None if t.valid is None else t.valid[row : row + 1], t.kind) for t in tokens
        ]
        if of == INSTRUCTION:
            alone = [t._replace(valid=torch.zeros(1, 2) > 0) if t.kind == WORDS else t for t in alone]
        condition, total = world.network.condition(alone), torch.zeros(())
        words = [*(world.model.vocabulary.words.index(word) + 3 for word in sentence.split()), END]
        for place, word in enumerate(words):
            before = torch.tensor([[BEGIN, *words[:place]]])
            total -= F.log_softmax(world.model.writer(before, world.network, condition)[0, -1], -1)[word]
        torch.testing.assert_close(found.each[row], 0.5 * total / len(words), atol=1e-5, rtol=1e-4)


def test_a_sample_without_a_sentence_has_no_weight():
    world = World()
    view, tokens = world.batch(4)
    view.sentences[1], view.sentences[2] = None, " "
    assert world.loss(view, tokens).weight.tolist() == [1, 0, 0, 1]
    view.sentences[0] = view.sentences[3] = None
    assert world.loss(view, tokens).mean == 0


@either
def test_the_instruction_is_never_told_from_itself(of):
    world = World(of)
    view, tokens = world.batch(4)
    for span in tokens[1:]:
        span.values.requires_grad_()
    world.loss(view, tokens).mean.backward()
    places, words = (span.values.grad for span in tokens[1:])
    assert places.any() and (words is None or not words.any()) is (of == INSTRUCTION)


def test_it_learns_to_tell_what_is_seen():
    world = World(insulated=True)
    weights = [*world.network.parameters(), *world.model.parameters()]
    optimizer = torch.optim.Adam(weights, lr=5e-3)
    view, tokens = world.batch(60)
    assert sum(map(str.__eq__, world.told(tokens), view.sentences)) < 40
    for _ in range(50):
        loss = world.loss(*world.batch()).mean
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert sum(map(str.__eq__, world.told(tokens), view.sentences)) >= 57


def test_a_description_ends_at_the_longest_sentence_and_has_no_unknown_words():
    world = World()
    with torch.no_grad():
        world.model.writer.head.bias[[BEGIN, UNKNOWN]] = 100
        world.model.writer.head.bias[3] = 50
    _, tokens = world.batch(2)
    word: Tensor | str = world.model.vocabulary.words[0]
    assert world.told(tokens) == [" ".join([word] * 6)] * 2


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"of": "plan"}, r"auxiliary\.of = 'plan': legal are 'instruction' and 'subtask'"),
        ({"max_words": 0}, r"auxiliary\.max_words = 0"),
        ({"weight": 0}, r"auxiliary\.weight = 0: must be positive"),
    ],
)
def test_fields_that_are_not_legal_are_named(fields, message):
    with pytest.raises(ValueError, match=message):
        Text(**fields)


def test_sentences_that_it_cannot_tell_are_named():
    with pytest.raises(ValueError, match=r"auxiliary\.of = subtask: the data say none"):
        Text(of=SUBTASK).adopting(["", "  "])
    with pytest.raises(ValueError, match=r"auxiliary\.max_words = 3: .*has 5 words, 'carry the green one away'; raise"):
        Text(max_words=3).adopting(SAID)
    with pytest.raises(ValueError, match=r"have 5000 different words; legal are at most 4096"):
        Text().adopting([str(word) for word in range(5000)])
    with pytest.raises(ValueError, match=r"legal with network\.type = mixture, network\.depth of at least 2"):
        Text().check(Data({}, {}, 2, remembers=True))
    known = Text().adopting(SAID)
    assert known.adopting(["something else"]) == known and known.strangers(["something red"]) == ["something"]
