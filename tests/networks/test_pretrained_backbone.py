"""A language model as the backbone of `mixture`: its own forward pass is the oracle; randomly initialised, tiny, offline."""

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lerobot_dp_plus.networks import MixtureConfig
from lerobot_dp_plus.networks.backbones import Pretrained
from lerobot_dp_plus.networks.backbones.language_model import digest_of, read
from lerobot_dp_plus.notation import PATCHES, STEPS, WORDS, Span, Tokens

transformers = pytest.importorskip("transformers")
DIM, DEPTH, LENGTH = 32, 3, 6
SPANS = {STEPS: Span(2, 5), PATCHES: Span(4, 6), WORDS: Span(2, DIM)}


def saved(folder: Path, seed: int = 0) -> str:
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(
        hidden_size=DIM, intermediate_size=48, num_hidden_layers=DEPTH, num_attention_heads=4, num_key_value_heads=2,
        head_dim=8, vocab_size=40, max_position_embeddings=64, rms_norm_eps=1e-5,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return saved(tmp_path_factory.mktemp("models") / "tiny")


def network(model: str, depth: int = DEPTH, num_heads: int = 4, **fields):
    backbone = Pretrained(model=model, **fields)
    config = MixtureConfig(dim=16, depth=depth, num_heads=num_heads, head_dim=8, patch_size=4, backbone=backbone)
    return config.build(horizon=8, action_dim=2, observation=SPANS)


def observed(batch: int = 2) -> list[Tokens]:
    seen = {kind: torch.randn(batch, *span) for kind, span in SPANS.items()}
    there = torch.tensor([[True, False]] + [[True, True]] * (batch - 1))
    return [Tokens(seen[STEPS]), Tokens(seen[PATCHES], None, PATCHES), Tokens(seen[WORDS], there, WORDS)]


def test_keys_and_values_are_those_of_the_model_itself(model):
    """Causal and with all tokens there: what `generate` would keep of the same embeddings. The last query reads it likewise."""
    backbone = network(model).backbone
    tokens = torch.randn(2, LENGTH, DIM)
    plain = transformers.AutoModel.from_pretrained(model)
    kept = plain(inputs_embeds=tokens, use_cache=True).past_key_values
    for (k, v), layer in zip(backbone(tokens, None), kept.layers, strict=True):
        assert k.shape == (2, 4, LENGTH, 8)
        torch.testing.assert_close(k[:, ::2], layer.keys)
        torch.testing.assert_close(v[:, 1::2], layer.values)


def test_text_goes_on_as_in_the_model_itself(model):
    backbone = network(model).backbone
    tokens, text = torch.randn(2, LENGTH, DIM), torch.randn(2, 3, DIM)
    plain = transformers.AutoModel.from_pretrained(model)
    whole = plain(inputs_embeds=torch.cat([tokens, backbone.loudness * text], 1)).last_hidden_state[:, LENGTH:]
    torch.testing.assert_close(backbone.write(text, backbone(tokens, None), None), whole, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("causal", [True, False])
def test_what_is_not_there_has_no_effect_and_no_place(model, causal):
    backbone = network(model, causal=causal).backbone
    tokens, text = torch.randn(1, LENGTH, DIM), torch.randn(1, 3, DIM)
    there = torch.tensor([[True, True, False, True, False, True]])
    memory, short = backbone(tokens, there), backbone(tokens[:, there[0]], None)
    for (k, v), (short_k, short_v) in zip(memory, short, strict=True):
        torch.testing.assert_close(k[:, :, there[0]], short_k, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(v[:, :, there[0]], short_v, atol=1e-5, rtol=1e-4)
    written, expected = backbone.write(text, memory, there), backbone.write(text, short, None)
    torch.testing.assert_close(written, expected, atol=1e-5, rtol=1e-4)


def test_only_in_the_causal_one_a_place_does_not_see_later_ones(model):
    tokens = torch.randn(1, LENGTH, DIM)
    other = tokens.clone()
    other[:, -1] += 1
    for causal in (True, False):
        backbone = network(model, causal=causal).backbone
        same = [
            torch.equal(a[0][:, :, 0], b[0][:, :, 0])
            for a, b in zip(backbone(tokens, None), backbone(other, None), strict=True)
        ]
        assert all(same) is causal


def chunk_loss(made, seen: list[Tokens]) -> Tensor:
    torch.manual_seed(5)
    x = torch.randn(2, 8, 2)
    return (made(x, torch.tensor([0.0, 500.0]), made.condition(seen)) - x).square().mean()


@pytest.mark.parametrize(
    "learns, trained, saved_", [("nothing", 0, 0), ("lora", 14 * DEPTH, 14 * DEPTH), ("all", 9 * DEPTH, 9 * DEPTH + 1)]
)
def test_who_learns_is_who_is_saved(model, learns, trained, saved_):
    """Seven linear layers in each of the model's: two matrices of LoRA for each, or themselves and two norms."""
    made, seen = network(model, learns=learns, rank=2), observed()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.05 * torch.randn_like(weight))  # also what starts at zero
    chunk_loss(made, seen).backward()
    # The last layer has keys and values only; what else it has teaches text alone.
    found = {name for name, p in made.backbone.named_parameters() if p.grad is not None and p.grad.any()}
    idle = {"nothing": 0, "lora": 2 * 5, "all": 6}[learns]
    assert len(found) == max(0, trained - idle)
    assert len([key for key in made.state_dict() if key.startswith("backbone.")]) == saved_
    assert all(p.grad is not None and p.grad.any() for p in made.embed_tokens.parameters())
    assert all(p.grad is None for p in made.backbone.decoder.parameters() if not p.requires_grad)


def test_lora_starts_as_the_model_and_a_copy_has_changes_of_its_own(model):
    seen = observed()
    frozen, changed = network(model), network(model, learns="lora")
    changed.load_state_dict(frozen.state_dict(), strict=False)
    assert torch.equal(chunk_loss(frozen, seen), chunk_loss(changed, seen))
    twin = copy.deepcopy(changed)
    with torch.no_grad():
        changed.backbone.changes[0].up.add_(1)
    assert not torch.equal(frozen.condition(seen).memory[-1][0], changed.condition(seen).memory[-1][0])
    assert torch.equal(frozen.condition(seen).memory[-1][0], twin.condition(seen).memory[-1][0])
    assert copy.deepcopy(frozen).backbone.decoder is frozen.backbone.decoder, "what never changes is shared"


def test_words_enter_as_the_model_knows_them_and_pictures_equally_loud(model):
    made, seen = network(model), observed()
    loud = made.backbone.loudness
    words, places = (made.embed_tokens[span.kind](span.values) for span in seen[1:][::-1])
    torch.testing.assert_close(words, loud * seen[2].values)
    torch.testing.assert_close(places.square().mean().sqrt(), torch.tensor(loud), rtol=0.05, atol=0)


def test_it_follows_a_move_to_another_precision(model):
    made = network(model, learns="lora").to(torch.float64)
    assert {p.dtype for p in made.backbone.decoder.parameters()} == {torch.float64}
    seen = [span._replace(values=span.values.double()) for span in observed()]
    assert made.condition(seen).memory[0][0].dtype == torch.float64


def test_half_of_a_model_and_a_head_for_each_of_its_own(model):
    half = network(model, depth=1, num_heads=2)
    assert len(half.backbone.decoder.layers) == 1 and len(half.condition(observed()).memory) == 1


def test_other_weights_are_told_by_name(model, tmp_path):
    noted = Pretrained(model=model).revised()
    assert noted.digest == digest_of(model, None) and len(noted.digest) == 16
    assert noted.revised() == noted
    other = saved(tmp_path / "other", seed=1)
    with pytest.raises(
        ValueError, match=rf"network\.backbone\.model = '.*other' has weights of the digest .*{noted.digest}"
    ):
        Pretrained(model=other, digest=noted.digest).revised()


@pytest.mark.parametrize("shape", [{"depth": 4}, {"num_heads": 3}])
def test_what_no_expert_can_meet_is_named(model, shape):
    with pytest.raises(ValueError, match=r"a depth of at most 3, a multiple of 2 heads, and head_dim = 8"):
        network(model, **shape)


def test_other_models_and_fields_are_named(tmp_path):
    torch.manual_seed(0)
    bert = transformers.BertConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, vocab_size=9
    )
    transformers.BertModel(bert).save_pretrained(tmp_path / "bert")
    with pytest.raises(ValueError, match=r"is a BertModel; must be a decoder with layers"):
        read(str(tmp_path / "bert"), None)
    with pytest.raises(ValueError, match=r"network\.backbone\.learns = 'some': legal are nothing, lora, all"):
        Pretrained(learns="some")
    with pytest.raises(ValueError, match=r"network\.backbone\.rank = 0"):
        Pretrained(rank=0)
    with pytest.raises(OSError, match=r"nowhere"):
        Pretrained(model=str(tmp_path / "nowhere")).revised()


def test_of_a_model_of_pictures_and_text_the_text_is_read(tmp_path):
    torch.manual_seed(0)
    text = transformers.LlamaConfig(
        hidden_size=DIM,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=40,
    )
    sight = transformers.CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=8, patch_size=4
    )
    whole = transformers.LlavaForConditionalGeneration(
        transformers.LlavaConfig(vision_config=sight, text_config=text, image_token_index=39)
    )
    whole.save_pretrained(tmp_path / "llava")
    part = read(str(tmp_path / "llava"), None)
    assert type(part).__name__ == "LlamaModel"
    assert torch.equal(
        part.layers[0].self_attn.q_proj.weight, whole.model.language_model.layers[0].self_attn.q_proj.weight
    )
