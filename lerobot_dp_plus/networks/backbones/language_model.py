"""Language models of transformers, as a backbone needs them: the part that reads, its shape, and which weights these are."""

from functools import cache
from typing import Any, NamedTuple

from torch import nn

from lerobot_dp_plus import digests
from lerobot_dp_plus.extras import imported


class Shape(NamedTuple):
    """Sizes of a decoder.

    Args:
        depth: layers. dim: width of a token. heads: of queries. shared: of keys and values. head_dim: width of a head.
    """

    depth: int
    dim: int
    heads: int
    shared: int
    head_dim: int


@cache
def shape_of(model: str, revision: str | None) -> Shape:
    """Read off a model's config, without its weights.

    Raises:
        ModuleNotFoundError: the extra is not installed. OSError: there is no such model, in transformers' words.
        ValueError: it is no decoder whose layers have keys and values of one shape.
    """
    whole = transformers().AutoConfig.from_pretrained(model, revision=revision)
    config = getattr(whole, "text_config", whole)
    try:
        heads = int(config.num_attention_heads)
        shared = int(getattr(config, "num_key_value_heads", None) or heads)
        width = int(getattr(config, "head_dim", None) or config.hidden_size // heads)
        return Shape(int(config.num_hidden_layers), int(config.hidden_size), heads, shared, width)
    except AttributeError as error:
        raise ValueError(
            f"network.backbone.model = {model!r}: {error}; must be a decoder, as SmolLM2 or Qwen"
        ) from error


def read(model: str, revision: str | None) -> nn.Module:
    """The part that reads text, in float32 and without its output layer; of a model of text and pictures that part alone.

    Weights are read from safetensors alone, and no code of the model's repository is run.

    Raises:
        As `shape_of`; or ValueError: it gives no keys and values.
    """
    whole = transformers().AutoModel.from_pretrained(model, revision=revision, use_safetensors=True)
    part = next((getattr(whole, name) for name in ("language_model", "text_model") if hasattr(whole, name)), whole)
    if not isinstance(getattr(part, "layers", None), nn.ModuleList) or part.config.is_encoder_decoder:
        raise ValueError(
            f"network.backbone.model = {model!r} is a {type(part).__name__}; must be a decoder with layers"
        )
    return part.float()


@cache
def digest_of(model: str, revision: str | None) -> str:
    """Of all weights that are read of a model."""
    return digests.digest_of(read(model, revision).state_dict())


def transformers() -> Any:
    """The package, or a ModuleNotFoundError that names the extra."""
    return imported("transformers", "towers", by="network.backbone.type=pretrained")
