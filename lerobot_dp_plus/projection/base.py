"""What every projection offers."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import draccus
import torch
from torch import Tensor

from lerobot_dp_plus.energies import Constraint
from lerobot_dp_plus.notation import Scene


class Projected(NamedTuple):
    """Chunks (B, N, H, A) in the dataset's units, and the greatest depth that is left of any broken rule, (B, N)."""

    chunks: Tensor
    violation: Tensor


@dataclass(frozen=True)
class Projection(draccus.ChoiceRegistry, ABC):
    """Moves chunks onto constraints before they are ranked."""

    @abstractmethod
    def __call__(
        self, chunks: Tensor, scene: Scene, constraints: Sequence[Constraint], free: Tensor | None = None
    ) -> Projected:
        """The chunks (B, N, H, A), in the dataset's units, moved from the current row on.

        `free` (B, N, H, A) bool says which values may be moved; all of them if None.
        """


def violation(chunks: Tensor, scene: Scene, constraints: Sequence[Constraint]) -> Tensor:
    """The greatest depth of any broken rule, (B, N), 0 where all are kept."""
    positions = scene.positions(chunks)
    depths = [constraint.depths(positions, scene).amax(-1) for constraint in constraints]
    return torch.stack(depths).amax(0).clamp_min(0)


@Projection.register_subclass("none")
@dataclass(frozen=True)
class NoProjection(Projection):
    """Chunks stay as they are."""

    def __call__(
        self, chunks: Tensor, scene: Scene, constraints: Sequence[Constraint], free: Tensor | None = None
    ) -> Projected:
        return Projected(chunks, violation(chunks, scene, constraints))
