"""Words by their hash: what counts as a word, where it stands, and sentences without any."""

import zlib

import draccus
import pytest
import torch
from small_networks import awake, build

from lerobot_dp_plus.encoders import HashedWords, NoWords, ObservationEncoder, SmallCnnConfig, Words
from lerobot_dp_plus.encoders.words import WORD_IDS, WORDS_VALID
from lerobot_dp_plus.networks import TransformerConfig
from lerobot_dp_plus.notation import STEPS, WORDS, Span

STATE = "observation.state"
HASHED = HashedWords(buckets=512, dim=6, max_words=5)


@pytest.mark.parametrize(
    "sentence",
    [
        "pick up the cube",
        "Pick up the CUBE",
        "  pick\tup\nthe   cube ",
        "Pick up, the 'cube'!",
        "pick-up (the) cube.",
        "pick_up the_cube",
    ],
)
def test_case_and_punctuation_do_not_matter(sentence: str) -> None:
    ids, valid = HASHED.ids([sentence])
    expected = [zlib.crc32(word) % 512 for word in (b"pick", b"up", b"the", b"cube")]
    assert ids.tolist() == [[*expected, 0]] and ids.dtype == torch.int64
    assert valid.tolist() == [[True] * 4 + [False]] and valid.dtype == torch.bool


def test_digits_and_letters_of_every_script_are_words() -> None:
    ids, valid = HASHED.ids(["stack 2 Würfel 積む"])
    expected = [zlib.crc32(word.encode()) % 512 for word in ("stack", "2", "würfel", "積む")]
    assert ids[0, :4].tolist() == expected and valid.sum() == 4


def test_words_beyond_the_last_are_left_out() -> None:
    long, cut = (HASHED.ids([sentence]) for sentence in ("a b c d e f g", "a b c d e"))
    assert torch.equal(long[0], cut[0]) and long[1].all() and cut[1].all()


def test_sentences_of_a_batch_are_read_one_by_one() -> None:
    sentences = ["open the drawer", "", "close it"]
    ids, valid = HASHED.ids(sentences)
    assert ids.shape == valid.shape == (3, 5) and valid.sum(1).tolist() == [3, 0, 2]
    for row, sentence in enumerate(sentences):
        alone = HASHED.ids([sentence])
        assert torch.equal(ids[row], alone[0][0]) and torch.equal(valid[row], alone[1][0])


@pytest.mark.parametrize("sentence", ["", "   ", "?!… — _"])
def test_a_sentence_without_a_word_has_none(sentence: str) -> None:
    ids, valid = HASHED.ids([sentence])
    assert not valid.any() and not ids.any(), "ids of what is not there are legal rows of the table"


def test_a_token_is_its_word_and_its_place() -> None:
    encoder = HASHED.build()
    ids, valid = HASHED.ids(["put the cube", "cube the"])
    tokens = encoder(ids, valid)
    assert tokens.kind == WORDS and torch.equal(tokens.valid, valid)
    assert Span(*tokens.values.shape[1:]) == HASHED.span() == Span(5, 6)
    for row in range(2):
        for place in range(5):
            expected = encoder.word.weight[ids[row, place]] + encoder.place[place]
            found = tokens.values[row, place]
            torch.testing.assert_close(found, expected if valid[row, place] else torch.zeros(6))
    # The order of words counts.
    turned = encoder(*HASHED.ids(["cube the put"]))
    assert not torch.isclose(tokens.values[0, :3], turned.values[0, :3].flip(0)).all(-1)[[0, 2]].any()


def test_gradients_reach_the_words_that_were_said_and_their_places() -> None:
    encoder = HASHED.build()
    ids, valid = HASHED.ids(["put the cube", ""])
    encoder(ids, valid).values.square().sum().backward()
    said = set(ids[valid].tolist())
    assert set(encoder.word.weight.grad.abs().sum(1).nonzero().flatten().tolist()) == said
    assert encoder.place.grad.abs().sum(1).bool().tolist() == [True] * 3 + [False] * 2


def test_every_bucket_is_a_row_of_the_table() -> None:
    few = HashedWords(buckets=3, dim=2, max_words=40)
    ids, valid = few.ids([" ".join(f"word{n}" for n in range(40))])
    assert valid.all() and set(ids.flatten().tolist()) == {0, 1, 2}
    assert few.build()(ids, valid).values.isfinite().all()


def test_a_policy_of_states_stands_being_told_nothing() -> None:
    """Through to actions and gradients, in a batch with one who is told something; and what is said counts."""
    encoder = ObservationEncoder({STATE: 4}, {}, SmallCnnConfig(), n_obs_steps=2, words=HASHED)
    assert encoder.spans == {STEPS: Span(2, 4), WORDS: Span(5, 6)}
    network = awake(build(TransformerConfig(dim=16, depth=1, num_heads=2), observation=encoder.spans))
    states, x_t, time = torch.randn(1, 2, 4).expand(3, -1, -1), torch.randn(1, 8, 2).expand(3, -1, -1), torch.zeros(3)

    def act(*sentences: str) -> torch.Tensor:
        ids, valid = HASHED.ids(sentences)
        return network(x_t, time, network.condition(encoder({STATE: states, WORD_IDS: ids, WORDS_VALID: valid})))

    found = act("", "open the drawer", "!")
    assert found.isfinite().all()
    torch.testing.assert_close(found[0], found[2])
    assert (found[0] - found[1]).abs().max() > 1e-3
    act("", "", "").sum().backward()
    weights = [*network.parameters(), *encoder.parameters()]
    assert all(weight.grad.isfinite().all() for weight in weights if weight.grad is not None)


def test_an_observation_without_words_is_named() -> None:
    encoder = ObservationEncoder({STATE: 4}, {}, SmallCnnConfig(), words=HASHED)
    with pytest.raises(ValueError, match=rf"no {WORD_IDS}, {WORDS_VALID}; the processor makes them"):
        encoder({STATE: torch.randn(1, 1, 4)})


def test_none_reads_nothing() -> None:
    assert NoWords().span() is None and NoWords().build() is None
    with pytest.raises(ValueError, match=r"words\.type=none reads no instructions"):
        NoWords().ids(["open the drawer"])


@pytest.mark.parametrize("field", ["buckets", "dim", "max_words"])
def test_illegal_sizes_are_named(field: str) -> None:
    with pytest.raises(ValueError, match=rf"words\.{field} = 0: must be at least 1"):
        HashedWords(**{field: 0})


def test_the_axis_decodes_by_name() -> None:
    assert draccus.decode(Words, {"type": "hashed", "dim": 8}) == HashedWords(dim=8)
    assert draccus.decode(Words, {"type": "none"}) == NoWords()
