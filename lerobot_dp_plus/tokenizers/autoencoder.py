"""A convolutional autoencoder of crops."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import parameters_to_vector

from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.tokenizers.base import TokenizerConfig
from lerobot_dp_plus.tokenizers.gathering import ScaledTokenizer

#: Pixels of a crop's side to one place of its map.
SHRINKS = 4
BATCH = 64


@TokenizerConfig.register_subclass("autoencoder")
@dataclass(frozen=True)
class Autoencoder(TokenizerConfig):
    """z = (E(crop) − μ)/s, with E and D convolutions that learned min |D(E(crop)) − crop|², and μ and s of their latents.

    A map of channels × (size/4)² numbers. It learns in the middle of the training, when its crops are gathered: 600 updates take
    about ten seconds of a processor. Beside `pca` it needs more crops, and keeps places apart.

    Attributes:
        channels: of the map. With 3 and a size of 16 there are 48 numbers.
        size: S, pixels of a crop's side.
        width: channels within the network.
        crops: how many crops it learns from, the first ones of the training.
        updates: how many updates, of 64 crops each.
    """

    channels: int = 3
    size: int = 16
    width: int = 32
    crops: int = 1024
    updates: int = 600

    def __post_init__(self) -> None:
        if self.size < SHRINKS or self.size % SHRINKS:
            raise ValueError(f"tokenizer.size = {self.size}: must be a multiple of {SHRINKS}")
        at_least("tokenizer", self, channels=1, width=1, updates=1, crops=2)

    @property
    def latents(self) -> int:
        return self.channels * (self.size // SHRINKS) ** 2

    def build(self) -> "AutoencoderTokenizer":
        return AutoencoderTokenizer(self)


class AutoencoderTokenizer(ScaledTokenizer):
    """The weights are a buffer: they are saved, and neither trained with the policy nor averaged."""

    weights: Tensor
    pixels: Tensor

    def __init__(self, config: Autoencoder):
        super().__init__(config.size, config.crops, config.latents)
        self.config = config
        self._net = [
            _network(config.channels, config.width).requires_grad_(False)
        ]  # its shape; in a list, so not a part
        self.register_buffer("weights", parameters_to_vector(self._net[0].parameters()))
        self.register_buffer("pixels", torch.tensor([0.0, 1.0]))  # mean and standard deviation of what it learned from

    def fit(self, crops: Tensor) -> None:
        """Adam from fresh weights, with random numbers of its own, so that the policy's go on as if nothing was drawn."""
        self.pixels.copy_(torch.stack([crops.mean(), crops.std().clamp_min(1e-6)]))
        crops = self._standard(crops)
        devices = [crops.device] if crops.is_cuda else []
        with torch.random.fork_rng(devices), torch.enable_grad():
            torch.manual_seed(0)
            net = _network(self.config.channels, self.config.width).to(crops.device)
            optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
            for _ in range(self.config.updates):
                batch = crops[torch.randint(len(crops), (BATCH,), device=crops.device)]
                loss = F.mse_loss(net["decode"](net["encode"](batch)), batch)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        self.weights.copy_(parameters_to_vector(net.parameters()).detach())
        self.learn_scale(self._call("encode", crops).flatten(1))

    def encode(self, crops: Tensor) -> Tensor:
        return self.scaled(self._call("encode", self._standard(crops.float())).flatten(1))

    def decode(self, latents: Tensor) -> Tensor:
        side = self.size // SHRINKS
        maps = self.unscaled(latents).unflatten(1, (self.config.channels, side, side))
        return self._call("decode", maps) * self.pixels[1] + self.pixels[0]

    def _standard(self, crops: Tensor) -> Tensor:
        return (crops - self.pixels[0]) / self.pixels[1]

    def _call(self, half: str, x: Tensor) -> Tensor:
        """One half of the network, with the weights of the buffer."""
        net = self._net[0]
        sizes = [weight.numel() for weight in net.parameters()]
        named = zip(net.named_parameters(), self.weights.split(sizes), strict=True)
        given: Mapping[str, Tensor] = {
            name.removeprefix(f"{half}."): flat.view_as(weight)
            for (name, weight), flat in named
            if name.startswith(f"{half}.")
        }
        return functional_call(net[half], dict(given), (x,))  # type: ignore[index]


def _network(channels: int, width: int) -> nn.ModuleDict:
    """(B, 3, S, S) -> (B, channels, S/4, S/4) -> (B, 3, S, S)."""
    encode = nn.Sequential(
        nn.Conv2d(3, width, 4, 2, 1),
        nn.GELU(),
        nn.Conv2d(width, width, 4, 2, 1),
        nn.GELU(),
        nn.Conv2d(width, channels, 1),
    )
    decode = nn.Sequential(
        nn.Conv2d(channels, width, 3, 1, 1), nn.GELU(), nn.ConvTranspose2d(width, width, 4, 2, 1), nn.GELU(),
        nn.ConvTranspose2d(width, 3, 4, 2, 1),
    )  # fmt: skip
    return nn.ModuleDict({"encode": encode, "decode": decode})
