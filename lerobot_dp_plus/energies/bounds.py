"""Stay within a box."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lerobot_dp_plus.energies.base import EnergyTerm
from lerobot_dp_plus.energies.constraint import Constraint, Violation, deepest
from lerobot_dp_plus.notation import Scene


@EnergyTerm.register_subclass("bounds")
@dataclass(frozen=True)
class Bounds(Constraint):
    """depth = max(low − p, p − high) for every coordinate of every position: a workspace, or limits of joints.

    Attributes:
        low, high: one number for each coordinate of a position. An empty one sets no limit on that side.
    """

    endless: ClassVar[frozenset[str]] = frozenset({"low", "high"})

    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low and self.high and not all(a < b for a, b in zip(self.low, self.high, strict=False)):
            raise ValueError(
                f"energies.bounds.low = {list(self.low)} and energies.bounds.high = {list(self.high)} contradict each "
                "other: every low must be below its high"
            )
        if self.weight and not self.low and not self.high:
            raise ValueError(f"energies.bounds.weight = {self.weight}, and there are no bounds: give low, high or both")

    def check(self, action_dim: int, position_dim: int) -> None:
        for name, limit in (("low", self.low), ("high", self.high)):
            if limit and len(limit) != position_dim:
                raise ValueError(
                    f"energies.bounds.{name} = {list(limit)}: must have one number for each of the {position_dim} "
                    "coordinates of a position, which forward.type says, or none at all"
                )

    def depths(self, positions: Tensor, scene: Scene) -> Tensor:
        low = positions.new_tensor(self.low) - positions if self.low else None
        high = positions - positions.new_tensor(self.high) if self.high else None
        if low is None or high is None:
            return (high if low is None else low).flatten(2)  # type: ignore[union-attr]
        return torch.maximum(low, high).flatten(2)

    def worst(self, positions: Tensor, scene: Scene, first: int = 0) -> Violation:
        depth, one = deepest(self.depths(positions, scene), first * positions.shape[-1])
        one = one.view_as(positions)
        if not self.low:
            return Violation(depth, one)
        if not self.high:
            return Violation(depth, -one)
        upper = 2 * positions > positions.new_tensor(self.low) + positions.new_tensor(self.high)
        return Violation(depth, torch.where(upper, one, -one))
