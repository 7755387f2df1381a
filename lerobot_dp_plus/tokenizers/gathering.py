"""What tokenizers share that learn once, from the first crops of a training."""

from abc import abstractmethod

import torch
from torch import Tensor

from lerobot_dp_plus.tokenizers.base import Tokenizer


class GatheringTokenizer(Tokenizer):
    """Gathers crops, then learns from them. What was gathered is saved, so that a resumed training is equal."""

    gathered: Tensor
    count: Tensor

    def __init__(self, size: int, crops: int):
        super().__init__()
        self.size = size
        self.register_buffer("ready", torch.zeros((), dtype=torch.bool))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.register_buffer("gathered", torch.zeros(crops, 3 * size**2))

    @torch.no_grad()
    def learn(self, crops: Tensor) -> None:
        if self.ready:
            return
        begin = int(self.count)
        taken = crops.flatten(1).float()[: len(self.gathered) - begin]
        self.gathered[begin : begin + len(taken)] = taken
        self.count += len(taken)
        if self.count == len(self.gathered):
            self.fit(self.gathered.unflatten(1, (3, self.size, self.size)).clone())
            self.gathered.zero_()
            self.ready.fill_(True)

    @abstractmethod
    def fit(self, crops: Tensor) -> None:
        """Learn from all that was gathered, (N, 3, S, S)."""


class ScaledTokenizer(GatheringTokenizer):
    """The latents of a model less their mean, by their spread, over the crops that it learned from."""

    mean: Tensor
    spread: Tensor

    def __init__(self, size: int, crops: int, latents: int):
        super().__init__(size, crops)
        self.register_buffer("mean", torch.zeros(latents))
        self.register_buffer("spread", torch.ones(latents))

    def learn_scale(self, latents: Tensor) -> None:
        """Take mean and spread of latents (N, K)."""
        self.mean.copy_(latents.mean(0))
        self.spread.copy_(spread_of(latents))

    def scaled(self, latents: Tensor) -> Tensor:
        """Latents (B, K) of the model -> of unit variance."""
        return (latents - self.mean) / self.spread

    def unscaled(self, latents: Tensor) -> Tensor:
        """The way back, in float32."""
        return latents.float() * self.spread + self.mean


def spread_of(latents: Tensor) -> Tensor:
    """Standard deviations (K,) of latents (N, K); 1 where they never vary, so that nothing is divided by zero."""
    spread = latents.std(0)
    return torch.where(spread > 1e-4 * spread.max().clamp_min(1e-12), spread, torch.ones_like(spread))
