"""Recurrent network over the steps of a chunk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.networks.base import NetworkConfig, vector
from lerobot_dp_plus.networks.embeddings import TimeEmbedding, embed_times
from lerobot_dp_plus.notation import Network, Span, Tokens


@NetworkConfig.register_subclass("lstm")
@dataclass(frozen=True)
class LSTMConfig(NetworkConfig):
    """Size of `ChunkLSTM`. dim 400, depth 2 is that of robomimic for states."""

    times_of_steps: ClassVar[bool] = True

    dim: int = 400
    depth: int = 2

    def __post_init__(self) -> None:
        at_least("network", self, dim=1, depth=1)
        if self.dim % 2 or self.dim < 4:
            raise ValueError(f"network.dim = {self.dim}: must be even and at least 4 for the sinusoidal time embedding")

    @property
    def chunk_multiple(self) -> int:
        return 1

    def check(self, *, horizon: int) -> None:
        """Every horizon fits."""

    def fsdp_wrap_modules(self) -> tuple[str, ...]:
        return (nn.LSTM.__name__,)

    def build(self, *, horizon: int, action_dim: int, observation: Mapping[str, Span]) -> "ChunkLSTM":
        return ChunkLSTM(action_dim=action_dim, observation_dim=vector(observation), dim=self.dim, depth=self.depth)


class ChunkLSTM(Network):
    """An LSTM (Hochreiter & Schmidhuber 1997) whose steps are those of a chunk. Each step is told the whole observation.

    robomimic's BC-RNN (arXiv 2108.03298, §3) runs along the observations instead, gives one action at each, and carries its
    state through the episode. That fits chunks badly: a policy here looks again only every few steps, from a window of
    observations. So here the window is told to every step, and the state is carried from action to action within a chunk.
    """

    def __init__(self, *, action_dim: int, observation_dim: int, dim: int, depth: int):
        """`observation_dim` counts all observation steps together: T_o·C."""
        super().__init__()
        self.embed_observation = nn.Sequential(nn.Flatten(), nn.Linear(observation_dim, dim), nn.ReLU())
        self.embed_time = TimeEmbedding(dim)
        self.embed_actions = nn.Linear(action_dim, dim)
        self.lstm = nn.LSTM(dim, dim, depth, batch_first=True)
        self.head = nn.Linear(dim, action_dim)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def condition(self, observation: Sequence[Tokens]) -> Tensor:
        """The tokens of the observation steps -> what every step is told, (B, D)."""
        (steps,) = observation
        return self.embed_observation(steps.values.to(self.head.weight.dtype))

    def forward(self, x_t: Tensor, time: Tensor, condition: Tensor, end: Tensor | None = None) -> Tensor:
        embedded = embed_times(self.embed_time, time, end)  # (B, D) or (B, H, D)
        known = condition[:, None] + (embedded if embedded.dim() == 3 else embedded[:, None])
        steps, _ = self.lstm(self.embed_actions(x_t.to(self.head.weight.dtype)) + torch.relu(known))
        return self.head(steps)
