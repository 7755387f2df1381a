"""Not too fast."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import pad

from lerobot_dp_plus.energies.base import EnergyTerm
from lerobot_dp_plus.energies.constraint import Constraint, Violation, deepest
from lerobot_dp_plus.notation import Scene


@EnergyTerm.register_subclass("speed")
@dataclass(frozen=True)
class Speed(Constraint):
    """depth = ‖p_j − p_{j−1}‖ − limit/K, for neighbouring sub-steps, K of them in a step of the chunk.

    Attributes:
        limit: the greatest way within one step of a chunk, in units of the position.
    """

    limit: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weight and not 0 < self.limit < float("inf"):
            raise ValueError(f"energies.speed.limit = {self.limit}: must be a number above 0")

    def depths(self, positions: Tensor, scene: Scene) -> Tensor:
        way = positions.diff(dim=2).square().sum(-1)
        return way.clamp_min(1e-24).sqrt() - self.limit / scene.substeps

    def worst(self, positions: Tensor, scene: Scene, first: int = 0) -> Violation:
        way = positions.diff(dim=2)
        depth, one = deepest(self.depths(positions, scene), first)
        along = way / way.norm(dim=-1, keepdim=True).clamp_min(1e-12) * one[..., None]  # (B, N, S − 1, P)
        return Violation(depth, pad(along, (0, 0, 1, 0)) - pad(along, (0, 0, 0, 1)))
