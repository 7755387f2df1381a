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


def spread_of(latents: Tensor) -> Tensor:
    """Standard deviations (K,) of latents (N, K); 1 where they never vary, so that nothing is divided by zero."""
    spread = latents.std(0)
    return torch.where(spread > 1e-4 * spread.max().clamp_min(1e-12), spread, torch.ones_like(spread))
