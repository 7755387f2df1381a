"""What every forward map offers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import draccus
import torch
from torch import Tensor

from lerobot_dp_plus.notation import Scene


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
    def gains(self, length: int, scene: Scene) -> Tensor:
        """What L actions add to each of L·K positions, (L·K, L), float64 on the CPU."""

    @abstractmethod
    def start(self, actions: Tensor, scene: Scene) -> Tensor:
        """Where the robot would be without the gains, (B, 1 or N, L·K, P), of actions (B, N, L, A)."""

    def positions(self, actions: Tensor, scene: Scene) -> Tensor:
        """Positions (B, N, L·K, P) under actions (B, N, L, A), in the dataset's units; differentiable in them."""
        told = actions[..., self.coordinates(actions.shape[-1])]
        gains = self.gains(actions.shape[2], scene).to(actions.device, actions.dtype)
        return self.start(actions, scene) + gains @ told

    def check(self, action_dim: int, states: dict[str, int], n_obs_steps: int, observation_stride: int) -> None:
        """Raise a ValueError, naming the field and what is legal, unless it serves such a policy."""


def chosen(dimensions: tuple[int, ...], action_dim: int) -> tuple[int, ...]:
    """The dimensions that are named, or all of them."""
    return dimensions or tuple(range(action_dim))


def check_dimensions(name: str, dimensions: tuple[int, ...], action_dim: int) -> None:
    """Raise a ValueError unless every dimension is one of an action, and none comes twice."""
    if len(set(dimensions)) < len(dimensions) or not all(0 <= each < action_dim for each in dimensions):
        raise ValueError(f"forward.{name} = {list(dimensions)}: legal are different numbers from 0 to {action_dim - 1}")


def between(length: int, substeps: int) -> Tensor:
    """Gains of straight ways from one action to the next, the first one from a start of its own: (L·K, L), float64."""
    part = torch.arange(1, substeps + 1, dtype=torch.float64) / substeps
    gains = torch.zeros(length, substeps, length, dtype=torch.float64)
    for step in range(length):
        gains[step, :, step] = part
        if step:
            gains[step, :, step - 1] = 1 - part
    return gains.flatten(0, 1)
