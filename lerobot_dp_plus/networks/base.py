"""What every network's config offers to the room above it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import draccus

from lerobot_dp_plus.notation import Network


@dataclass(frozen=True)
class NetworkConfig(draccus.ChoiceRegistry, ABC):
    """Size of a network; `build` makes it for given shapes."""

    @abstractmethod
    def build(self, *, horizon: int, action_dim: int, observation_dim: int, n_obs_steps: int) -> Network:
        """Make the network for chunks (B, horizon, action_dim) and observations (B, n_obs_steps, observation_dim)."""

    @property
    @abstractmethod
    def chunk_multiple(self) -> int:
        """What a horizon must be a multiple of."""

    @abstractmethod
    def check(self, *, horizon: int) -> None:
        """Raise a ValueError naming the field, its value and what is legal if a horizon or size does not fit."""

    @abstractmethod
    def fsdp_wrap_modules(self) -> tuple[str, ...]:
        """Class names of the blocks that sharded training wraps one by one."""
