"""Autoencoders of diffusers, randomly initialised, tiny, offline: their own encoder is the oracle."""

import pytest
import torch
from torch import Tensor

from lerobot_dp_plus.tokenizers import PretrainedTokenizer

diffusers = pytest.importorskip("diffusers")


def tiny(seed: int = 0):
    torch.manual_seed(seed)
    blocks = {"encoder_block_out_channels": (8, 8), "decoder_block_out_channels": (8, 8)}
    return diffusers.AutoencoderTiny(**blocks, num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1), latent_channels=3)


def kl():
    torch.manual_seed(0)
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    return diffusers.AutoencoderKL(**blocks, block_out_channels=(8, 8), norm_num_groups=4, latent_channels=3)


@pytest.fixture(scope="module", params=["AutoencoderTiny", "AutoencoderKL"])
def config(request, tmp_path_factory) -> PretrainedTokenizer:
    folder = tmp_path_factory.mktemp(request.param)
    (tiny() if request.param == "AutoencoderTiny" else kl()).save_pretrained(folder)
    return PretrainedTokenizer(model=str(folder), kind=request.param, channels=3, shrinks=2, size=8, crops=20)


def crops(count: int = 20) -> Tensor:
    return 3 + 2 * torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def learned(config: PretrainedTokenizer):
    made = config.build()
    made.learn(crops())
    return made


def test_latents_are_the_models_own_with_unit_variance(config) -> None:
    made, seen = learned(config), crops()
    latents = made.encode(seen)
    assert latents.shape == (20, config.latents) == (20, 48)
    torch.testing.assert_close(latents.std(0), torch.ones(48), atol=1e-3, rtol=0)
    model = getattr(diffusers, config.kind).from_pretrained(config.model)
    low, high = seen.min(), seen.max()
    with torch.no_grad():
        stretched = 2 * (seen - low) / (high - low) - 1
        encoded = model.encode(stretched)
        own = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mean
        drawn = model.decode(own).sample
    flat = own.flatten(1)
    torch.testing.assert_close(latents, (flat - flat.mean(0)) / flat.std(0), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(made.decode(latents), (drawn + 1) / 2 * (high - low) + low, atol=1e-3, rtol=1e-3)


def test_no_weight_of_the_model_is_saved_or_trained(config) -> None:
    made = learned(config)
    assert not list(made.parameters())
    assert sorted(made.state_dict()) == ["count", "digest", "gathered", "mean", "reach", "ready", "spread"]
    again = config.build()
    again.load_state_dict(made.state_dict())
    assert not again._held, "not even read, until somebody asks"
    assert torch.equal(again.encode(crops(3)), made.encode(crops(3)))


def test_other_weights_and_other_shapes_are_named(tmp_path) -> None:
    tiny().save_pretrained(tmp_path)
    fields = {"model": str(tmp_path), "channels": 3, "shrinks": 2, "size": 8, "crops": 20}
    made = learned(PretrainedTokenizer(**fields))
    tiny(seed=1).save_pretrained(tmp_path)
    again = PretrainedTokenizer(**fields).build()
    again.load_state_dict(made.state_dict())
    with pytest.raises(ValueError, match=r"tokenizer\.model = '.*' has weights of the digest .*began with"):
        again.encode(crops(2))
    with pytest.raises(ValueError, match=r"makes 3 channels of 4×4 of a crop of 8×8"):
        PretrainedTokenizer(**{**fields, "shrinks": 4}).load()
    for wrong, message in [
        ({"kind": "VQModel"}, r"kind = 'VQModel': legal are AutoencoderTiny"),
        ({"size": 9}, r"size = 9: must be a multiple of tokenizer\.shrinks = 2"),
        ({"crops": 1}, r"tokenizer\.crops = 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            PretrainedTokenizer(**{**fields, **wrong})
    with pytest.raises(OSError):
        PretrainedTokenizer(**{**fields, "model": str(tmp_path / "nowhere")}).load()
