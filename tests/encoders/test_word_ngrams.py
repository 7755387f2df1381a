"""Words by their parts: what is near to what, sentences of any length, and other scripts."""

import pytest
import torch

from lerobot_dp_plus.encoders import WordNgrams
from lerobot_dp_plus.notation import WORDS, Span

WORDS_READ = WordNgrams(buckets=4096, dim=32, max_words=6)


def vector(word: str, encoder: torch.nn.Module) -> torch.Tensor:
    """A word's token without its place."""
    tokens = encoder(*WORDS_READ.ids([word]))
    return tokens.values[0, 0] - encoder.place[0]


def test_a_word_is_the_sum_of_its_parts():
    encoder = WORDS_READ.build()
    parts = WORDS_READ.parts("red")
    assert parts == ["<red>", "<re", "red", "ed>", "<red", "red>"]
    rows = [WORDS_READ.ids(["red"])[0][0, 0, number] for number in range(len(parts))]
    expected = sum(encoder.part.weight[row] for row in rows) / len(parts) ** 0.5
    torch.testing.assert_close(vector("red", encoder), expected)
    assert not WORDS_READ.ids(["red"])[0][0, 0, len(parts) :].any()


@pytest.mark.parametrize("misspelt, meant, other", [
    ("reddish", "red", "blue"),
    ("grene", "green", "blue"),
    ("Yelow", "yellow", "purple"),
    ("placed", "place", "bring"),
])  # fmt: skip
def test_typos_and_inflections_stay_near(misspelt, meant, other):
    torch.manual_seed(0)
    near, far = [], []
    for _ in range(20):
        encoder = WordNgrams(dim=256).build()
        wrong, right, strange = (vector_of(encoder, word) for word in (misspelt, meant, other))
        near.append(torch.cosine_similarity(wrong, right, dim=0))
        far.append(torch.cosine_similarity(wrong, strange, dim=0))
    assert torch.stack(near).mean() > 0.15 > torch.stack(far).mean() + 0.05


def vector_of(encoder: torch.nn.Module, word: str) -> torch.Tensor:
    return encoder.part(WordNgrams().ids([word])[0])[0, 0].sum(0)


def test_sentences_of_any_length_are_served():
    long = "put the red one on the tray " * 2000
    ids, valid = WORDS_READ.ids([long, "", "  ?! ", "x" * 5000])
    assert valid.sum(1).tolist() == [6, 0, 0, 1]
    assert torch.equal(ids[0], WORDS_READ.ids([long[:27]])[0][0]), "the first words are read"
    tokens = WORDS_READ.build()(ids, valid)
    assert tokens.kind == WORDS and Span(*tokens.values.shape[1:]) == WORDS_READ.span() == Span(6, 32)
    assert tokens.values.isfinite().all() and not tokens.values[1:3].any()


def test_case_and_signs_say_nothing_and_characters_are_words():
    assert torch.equal(WORDS_READ.ids(["Put it, DOWN!"])[0], WORDS_READ.ids(["put it down"])[0])
    _, valid = WORDS_READ.ids(["把红色的放到"])
    assert valid.all(), "six characters, six words"
    assert WORDS_READ.ids(["红色 tray"])[1].sum() == 3


@pytest.mark.parametrize("field, value", [("buckets", 0), ("shortest", 0), ("longest", 2), ("dropped", 1.0)])
def test_illegal_fields_are_named(field, value):
    with pytest.raises(ValueError, match=rf"words\.{field} = {value}: must be at least"):
        WordNgrams(**{field: value})
