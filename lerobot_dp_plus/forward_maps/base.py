"""What every forward map offers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache

import draccus
from torch import Tensor

from lerobot_dp_plus.notation import Scene

#: Rows of numbers. They are no tensor, so that what is compiled can count on them.
type Matrix = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class ForwardMap(draccus.ChoiceRegistry, ABC):
    """position = start(scene) + gains · actions: where the robot will be, linear in what it is told to do.

    The same gains hold for every coordinate. Energies and projections see positions. A projection needs the gains.
    """

    @property
    @abstractmethod
    def substeps(self) -> int:
        """K, how many positions there are for each step of a chunk. The last of them is the step's end."""

    @abstractmethod
    def coordinates(self, action_dim: int) -> tuple[int, ...]:
        """The dimensions of an action that are told to the coordinates of a position, in order."""

    @abstractmethod
    def gains(self, length: int, scene: Scene) -> Matrix:
        """What L actions add to each of L·K positions: rows of L numbers, one for each position."""

    @abstractmethod
    def start(self, actions: Tensor, scene: Scene) -> Tensor:
        """Where the robot would be without the gains, (B, 1 or N, L·K, P), of actions (B, N, L, A)."""

    def positions(self, actions: Tensor, scene: Scene) -> Tensor:
        """Positions (B, N, L·K, P) under actions (B, N, L, A), in the dataset's units; differentiable in them."""
        told = actions[..., self.coordinates(actions.shape[-1])]
        return self.start(actions, scene) + actions.new_tensor(self.gains(actions.shape[2], scene)) @ told

    def check(self, action_dim: int, states: dict[str, int], n_obs_steps: int, observation_stride: int) -> None:
        """Raise a ValueError, naming the field and what is legal, unless it serves such a policy."""


def chosen(dimensions: tuple[int, ...], action_dim: int) -> tuple[int, ...]:
    """The dimensions that are named, or all of them."""
    return dimensions or tuple(range(action_dim))


def check_dimensions(name: str, dimensions: tuple[int, ...], action_dim: int) -> None:
    """Raise a ValueError unless every dimension is one of an action, and none comes twice."""
    if len(set(dimensions)) < len(dimensions) or not all(0 <= each < action_dim for each in dimensions):
        raise ValueError(f"forward.{name} = {list(dimensions)}: legal are different numbers from 0 to {action_dim - 1}")


@cache
def between(length: int, substeps: int, known: bool) -> Matrix:
    """Gains of straight ways from one action to the next.

    The way to the first one begins where the robot was told to go before, if that is `known`. Else it is there already.
    """
    rows = []
    for step in range(length):
        for part in ((k + 1) / substeps for k in range(substeps)):
            row = [0.0] * length
            row[step] = part
            if step:
                row[step - 1] = 1 - part
            elif not known:
                row[0] = 1.0
            rows.append(tuple(row))
    return tuple(rows)
