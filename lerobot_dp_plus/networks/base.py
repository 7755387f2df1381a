"""What every network's config offers to the code that uses it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypedDict

import draccus
from torch import nn

from lerobot_dp_plus.notation import STEPS, Network, Span


class Shape(TypedDict):
    """What a network is made for: chunks (B, horizon, action_dim), and the tokens of each kind in `observation`."""

    horizon: int
    action_dim: int
    observation: Mapping[str, Span]


@dataclass(frozen=True)
class NetworkConfig(draccus.ChoiceRegistry, ABC):
    """Size of a network; `build` makes it for given shapes."""

    #: The kinds of tokens it can read.
    reads: ClassVar[frozenset[str]] = frozenset({STEPS})
    #: Whether each step of a chunk may have a time of its own.
    times_of_steps: ClassVar[bool] = False
    #: The kinds of tokens of which its condition holds keys and values that others may read.
    remembers: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def build(self, *, horizon: int, action_dim: int, observation: Mapping[str, Span]) -> Network:
        """Make the network for chunks (B, horizon, action_dim) and the tokens of each kind in `observation`."""

    def reader(self, queries: int, dim: int) -> nn.Module | None:
        """A module from the network's condition to what learned queries read of it, (B, queries, dim); None if it has none."""
        return None

    def revised(self) -> "NetworkConfig":
        """What a policy that is made notes about pretrained weights; may raise a ValueError if they are others."""
        return self

    @property
    def writes(self) -> bool:
        """Whether its backbone can go on with text."""
        return False

    def writer(self, vocabulary: int, longest: int) -> nn.Module | None:
        """A module from words (B, L), the network and its condition to scores (B, L, vocabulary) of the next; None if it has none."""
        return None

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

    def check_observation(self, kinds: Mapping[str, object]) -> None:
        """Raise a ValueError unless it reads all these kinds of tokens, and gets a token per step if it needs one."""
        name = self.get_choice_name(type(self))
        unread = sorted(kinds.keys() - self.reads)
        if unread:
            legal = [other for other, kind in NetworkConfig.get_known_choices().items() if kinds.keys() <= kind.reads]
            raise ValueError(
                f"network.type = {name}: reads {', '.join(sorted(self.reads))}, and this observation has "
                f"{', '.join(unread)} too; legal with them: network.type = {' or '.join(legal)}"
            )
        if STEPS not in kinds and self.reads == {STEPS}:
            raise ValueError(f"network.type = {name}: reads states and features of pictures, and there are none")


def vector(observation: Mapping[str, Span]) -> int:
    """Width of the observation as one vector: its steps side by side."""
    steps = observation[STEPS]
    return steps.length * steps.width
