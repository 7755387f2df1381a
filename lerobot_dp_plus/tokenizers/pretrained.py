"""A frozen autoencoder of diffusers."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lerobot_dp_plus.digests import digest_of
from lerobot_dp_plus.extras import imported
from lerobot_dp_plus.tokenizers.base import TokenizerConfig
from lerobot_dp_plus.tokenizers.gathering import ScaledTokenizer

KINDS = ("AutoencoderTiny", "AutoencoderKL")


@TokenizerConfig.register_subclass("pretrained")
@dataclass(frozen=True)
class PretrainedTokenizer(TokenizerConfig):
    """z = (E(crop) − μ)/s, with E of a frozen AutoencoderTiny or AutoencoderKL of diffusers, its mean where it has a spread.

    The visual tokenizer of ReconVLA (arXiv 2508.10333) is of this kind. μ and s are those of the training's first crops. Crops are
    stretched so that these lie between −1 and 1, as such models expect. The model is loaded when a training asks for the first latent:
    a policy in use needs neither it nor diffusers. Its weights are in no checkpoint, their digest is.

    Attributes:
        model: a folder, or USER/NAME on the Hub.
        kind: its class in diffusers.
        revision: of a repository.
        channels: of its latents. shrinks: pixels of a side to one place. Both must be the model's.
        size: S, pixels of a crop's side.
        crops: of how many crops μ and s are.
    """

    model: str = "madebyollin/taesd"
    kind: str = "AutoencoderTiny"
    revision: str | None = None
    channels: int = 4
    shrinks: int = 8
    size: int = 32
    crops: int = 256

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"tokenizer.kind = {self.kind!r}: legal are {', '.join(KINDS)}")
        if self.channels < 1 or self.shrinks < 1 or self.crops < 2:
            raise ValueError(
                f"tokenizer.channels = {self.channels}, tokenizer.shrinks = {self.shrinks}, tokenizer.crops = {self.crops}: must "
                "be at least 1, 1 and 2"
            )
        if self.size < self.shrinks or self.size % self.shrinks:
            raise ValueError(f"tokenizer.size = {self.size}: must be a multiple of tokenizer.shrinks = {self.shrinks}")

    @property
    def latents(self) -> int:
        return self.channels * (self.size // self.shrinks) ** 2

    def build(self) -> "DiffusersTokenizer":
        return DiffusersTokenizer(self)

    def load(self) -> nn.Module:
        """The model, frozen.

        Raises:
            ModuleNotFoundError: the extra is not installed. OSError: there is no such model, in diffusers' words.
            ValueError: its latents have another shape than the fields say.
        """
        kind = getattr(imported("diffusers", "gaze", by="tokenizer.type=pretrained"), self.kind)
        model = kind.from_pretrained(self.model, revision=self.revision, use_safetensors=True).float().eval()
        model.requires_grad_(False)
        found = _encoded(model, torch.zeros(1, 3, self.size, self.size)).shape
        side = self.size // self.shrinks
        if tuple(found[1:]) != (self.channels, side, side):
            raise ValueError(
                f"tokenizer.channels = {self.channels}, tokenizer.shrinks = {self.shrinks}: {self.model!r} makes "
                f"{found[1]} channels of {found[2]}×{found[3]} of a crop of {self.size}×{self.size}"
            )
        return model


class DiffusersTokenizer(ScaledTokenizer):
    """Range, mean and spread, and which model they are of."""

    reach: Tensor
    digest: Tensor

    def __init__(self, config: PretrainedTokenizer):
        super().__init__(config.size, config.crops, config.latents)
        self.config = config
        self._held: list[nn.Module] = []  # in a list, so that torch does not find it
        self.register_buffer("reach", torch.tensor([0.0, 1.0]))  # middle and half width of the pixels it met first
        self.register_buffer("digest", torch.zeros(16, dtype=torch.uint8))

    def fit(self, crops: Tensor) -> None:
        low, high = crops.min(), crops.max()
        self.reach.copy_(torch.stack([(low + high) / 2, ((high - low) / 2).clamp_min(1e-6)]))
        self.digest.copy_(torch.frombuffer(bytearray(self._digest_of_model().encode()), dtype=torch.uint8))
        self.learn_scale(torch.cat([self._latents(some) for some in crops.split(32)]))

    @torch.no_grad()
    def encode(self, crops: Tensor) -> Tensor:
        return self.scaled(self._latents(crops.float()))

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        side = self.size // self.config.shrinks
        maps = self.unscaled(latents).unflatten(1, (self.config.channels, side, side))
        decoded: Any = self._model(maps.device).decode(maps)  # type: ignore[operator]
        return decoded.sample * self.reach[1] + self.reach[0]

    def _latents(self, crops: Tensor) -> Tensor:
        return _encoded(self._model(crops.device), (crops - self.reach[0]) / self.reach[1]).flatten(1)

    def _model(self, device: torch.device) -> nn.Module:
        """The model, loaded when it is first asked for.

        Raises:
            ValueError: its weights are not those that the checkpoint learned with.
        """
        if not self._held:
            self._held.append(self.config.load())
            expected = bytes(self.digest.tolist()).decode()
            if self.digest.any() and expected != (found := self._digest_of_model()):
                self._held.clear()
                raise ValueError(
                    f"tokenizer.model = {self.config.model!r} has weights of the digest {found}; this training began with those of "
                    f"{expected}. Give the folder or revision that it began with"
                )
        return self._held[0].to(device)

    def _digest_of_model(self) -> str:
        if not self._held:
            self._held.append(self.config.load())
        return digest_of({key: value.cpu() for key, value in self._held[0].state_dict().items()})


def _encoded(model: nn.Module, crops: Tensor) -> Tensor:
    """Latents (B, C, S/8, S/8) of crops between −1 and 1; the mean of a distribution of them."""
    made: Any = model.encode(crops)  # type: ignore[operator]
    return made.latents if hasattr(made, "latents") else made.latent_dist.mean
