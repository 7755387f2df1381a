"""A policy on a language model: what is in its checkpoint, what loading needs, and that other weights are refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from test_pretrained_backbone import saved
from tiny import ENV_STATE, STATE, build, config, frame, learned, noise, said, training_batch

from lerobot_dp_plus.auxiliary import Text
from lerobot_dp_plus.encoders import PretrainedWords
from lerobot_dp_plus.networks import MixtureConfig
from lerobot_dp_plus.networks.backbones import Pretrained, language_model
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPi0Policy

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A tiny Llama, and a tokenizer of a few words."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder = Path(saved(tmp_path_factory.mktemp("models") / "llama"))
    words = ["[UNK]", "push", "the", "red", "one"]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]").save_pretrained(folder)
    return folder


def made(model: Path, **fields):
    backbone = Pretrained(model=str(model), **fields)
    network = MixtureConfig(dim=16, depth=2, num_heads=4, head_dim=8, backbone=backbone)
    words = PretrainedWords(model=str(model), max_words=4, embeddings=True, dropped=0.0)
    text = Text(max_words=4).adopting(["push"])
    return config("dp_plus_pi0", {**STATE, **ENV_STATE}, network=network, words=words, things=5, auxiliary=text)


@pytest.mark.parametrize("learns", ["nothing", "lora", "all"])
def test_a_checkpoint_holds_what_learned_and_acts_again(model, learns, tmp_path):
    one = learned(policy := build(made(model, learns=learns)), lambda: training_batch(policy.config))
    one.save_pretrained(tmp_path)
    stated = json.loads((tmp_path / "config.json").read_text())["network"]["backbone"]
    assert len(stated["digest"]) == 16 and stated["learns"] == learns
    kept = load_file(tmp_path / "model.safetensors")
    of_model = [key for key in kept if "q_proj" in key or ".changes." in key]
    assert bool(of_model) == (learns != "nothing")
    assert any(".embed_tokens." in key for key in kept)
    again = DpPlusPi0Policy.from_pretrained(tmp_path)
    seen = {**frame(one.config), **said(one.config, ["push the red one"] * 3)}
    chunks = [each.predict_action_chunk(seen, noise=noise(one.config)) for each in (one, again)]
    assert torch.equal(*chunks)
    told = {**seen, **said(one.config, ["the one"] * 3)}
    one.reset()
    assert not torch.equal(one.predict_action_chunk(told, noise=noise(one.config)), chunks[0])
    assert again.describe(seen) == one.describe(seen)


def test_only_a_policy_with_its_own_weights_is_loaded(model, tmp_path):
    folder, other = tmp_path / "policy", tmp_path / "llama"
    shutil.copytree(model, other)
    one = build(made(other)).eval()
    one.save_pretrained(folder)
    DpPlusPi0Policy.from_pretrained(folder)
    saved(other, seed=3)
    language_model.digest_of.cache_clear()  # as another process
    with pytest.raises(ValueError, match=r"network\.backbone\.model = '.*llama' has weights of the digest"):
        DpPlusPi0Policy.from_pretrained(folder)
