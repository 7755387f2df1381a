"""Energies of limits that must be kept. A projection can also keep them exactly."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import one_hot

from lerobot_dp_plus.energies.base import EnergyTerm
from lerobot_dp_plus.notation import Scene


class Violation(NamedTuple):
    """The rule of a chunk that is broken most.

    Args:
        depth: how far it is broken, (B, N), in units of the position; at most 0 if every rule is kept.
        gradient: ∂depth/∂positions, (B, N, S, P).
    """

    depth: Tensor
    gradient: Tensor


@dataclass(frozen=True)
class Constraint(EnergyTerm):
    """E = ½ Σ_m max(0, depth_m + margin)², over all rules m: a hinge, zero where every rule is kept.

    Rules are about positions: where the robot will be, as `forward` says, at every sub-step from now on.

    Attributes:
        margin: how early a rule counts as broken, in units of the position.
    """

    margin: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.margin < float("inf"):
            raise ValueError(f"energies.{self.name}.margin = {self.margin}: must be a number of at least 0")

    @abstractmethod
    def depths(self, positions: Tensor, scene: Scene) -> Tensor:
        """Depths (B, N, M) without the margin, of positions (B, N, S, P); differentiable."""

    @abstractmethod
    def worst(self, positions: Tensor, scene: Scene, first: int = 0) -> Violation:
        """The rule that is broken most, without the margin; rules about positions before `first` do not count."""

    def __call__(self, chunks: Tensor, scene: Scene) -> Tensor:
        return (self.depths(scene.positions(chunks), scene) + self.margin).clamp_min(0).square().sum(-1) / 2


def deepest(depths: Tensor, first: int) -> tuple[Tensor, Tensor]:
    """The greatest of depths (B, N, M) from `first` on, (B, N), and where it is: a one at its place, zeros elsewhere."""
    depth, index = depths[..., first:].max(-1)
    return depth, one_hot(index + first, depths.shape[-1]).to(depths.dtype)
