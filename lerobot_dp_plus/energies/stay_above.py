"""A limit on one side."""

from dataclasses import dataclass

from torch import Tensor

from lerobot_dp_plus.energies.base import EnergyTerm
from lerobot_dp_plus.notation import Scene


@EnergyTerm.register_subclass("stay_above")
@dataclass(frozen=True)
class StayAbove(EnergyTerm):
    """E = ½ Σ_j max(0, limit − a_j[dimension])², over the steps from now on: a hinge, zero where the limit is kept.

    In units of the action squared. With `below` the limit is an upper one. Pictures have y downwards, so "above a line" on
    the screen is `below` in y.
    """

    dimension: int = 0
    limit: float = 0.0
    below: bool = False

    def check(self, action_dim: int, position_dim: int) -> None:
        if not 0 <= self.dimension < action_dim:
            raise ValueError(f"energies.stay_above.dimension = {self.dimension}: legal are 0 to {action_dim - 1}")

    def __call__(self, chunks: Tensor, scene: Scene) -> Tensor:
        over = self.limit - chunks[:, :, scene.now :, self.dimension]
        return (-over if self.below else over).clamp_min(0).square().sum(-1) / 2
