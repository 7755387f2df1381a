"""All energies of a policy, by name, and their weighted sum."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import ClassVar

import torch
from torch import Tensor

from lerobot_dp_plus.energies.base import EnergyTerm
from lerobot_dp_plus.energies.bounds import Bounds
from lerobot_dp_plus.energies.constraint import Constraint
from lerobot_dp_plus.energies.function import Function
from lerobot_dp_plus.energies.goal import Goal
from lerobot_dp_plus.energies.obstacles import Obstacles
from lerobot_dp_plus.energies.path import Path
from lerobot_dp_plus.energies.smoothness import Smoothness
from lerobot_dp_plus.energies.speed import Speed
from lerobot_dp_plus.energies.stay_above import StayAbove
from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.notation import Energy, Scene

#: The names of the weighted sum, and of the energy that every policy has.
TOTAL, IMITATION = "total", "imitation"


@dataclass(frozen=True)
class Learned:
    """How much an energy counts that the policy learned itself.

    Attributes:
        weight: its weight in the sum `total`.
    """

    #: The field of the config that holds it.
    name: ClassVar[str] = "end"

    weight: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.weight < float("inf"):
            raise ValueError(f"energies.{self.name}.weight = {self.weight}: must be a number of at least 0")


@dataclass(frozen=True)
class Imitation(Learned):
    """E‖ε_θ − ε‖² with common times and noises: how badly the policy knows a chunk. Every policy has it.

    It ranks nearly as the log-density does, and costs `draws` network calls.

    Attributes:
        draws: number of noises, each at a time of its own.
    """

    name: ClassVar[str] = IMITATION

    draws: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("energies.imitation", self, draws=1)


@dataclass(frozen=True)
class Energies:
    """E = Σ weight · term. A field is a term; one of weight 0 is not there.

    Attributes:
        imitation: how badly the policy knows a chunk.
        end: that of `dynamics.type=outcome`: how far a chunk leads from where demonstrations end.
    """

    imitation: Imitation = field(default_factory=Imitation)
    end: Learned = field(default_factory=Learned)
    smoothness: Smoothness = field(default_factory=Smoothness)
    stay_above: StayAbove = field(default_factory=StayAbove)
    bounds: Bounds = field(default_factory=Bounds)
    speed: Speed = field(default_factory=Speed)
    obstacles: Obstacles = field(default_factory=Obstacles)
    goal: Goal = field(default_factory=Goal)
    path: Path = field(default_factory=Path)
    function: Function = field(default_factory=Function)

    @property
    def weights(self) -> dict[str, float]:
        """The weights that are not zero, by name."""
        named = ((each.name, getattr(self, each.name).weight) for each in fields(self))
        return {name: weight for name, weight in named if weight}

    @property
    def terms(self) -> dict[str, EnergyTerm]:
        """The terms that are stated, not learned, and have a weight."""
        members = {name: getattr(self, name) for name in self.weights}
        return {name: member for name, member in members.items() if isinstance(member, EnergyTerm)}

    @property
    def constraints(self) -> list[Constraint]:
        """The terms that a projection can keep exactly."""
        return [term for term in self.terms.values() if isinstance(term, Constraint)]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the terms that have a weight and need nothing learned beside the policy, and that of the sum."""
        known = (IMITATION,) if self.imitation.weight else ()
        return (*known, *self.terms, *((TOTAL,) if self.weights else ()))

    def sum(self, terms: Mapping[str, Energy]) -> Energy:
        """The weighted sum, with `terms` for every name of `weights`."""
        weights = self.weights

        def total(chunks: Tensor, scene: Scene) -> Tensor:
            told = {name: terms[name](chunks, scene) for name in weights}
            if chunks.requires_grad and (flat := [name for name, energy in told.items() if not energy.requires_grad]):
                raise ValueError(
                    f"energies.{flat[0]} cannot be differentiated in the chunks, so nothing can follow its gradient; rank by "
                    "it instead: --policy.guidance.type=none --policy.refinement.type=none"
                )
            return added(weights, told)

        return total

    def check(self, action_dim: int, position_dim: int) -> None:
        """Raise a ValueError, naming the field and what is legal, unless every term can judge these."""
        for term in self.terms.values():
            term.check(action_dim, position_dim)


def added(weights: Mapping[str, float], energies: Mapping[str, Tensor]) -> Tensor:
    """Σ weight · energy, (B, N)."""
    return torch.stack([weight * energies[name] for name, weight in weights.items()]).sum(0)
