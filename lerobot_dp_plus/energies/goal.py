"""Be somewhere at the end."""

from dataclasses import dataclass

from torch import Tensor

from lerobot_dp_plus.energies.base import EnergyTerm
from lerobot_dp_plus.notation import Scene


@EnergyTerm.register_subclass("goal")
@dataclass(frozen=True)
class Goal(EnergyTerm):
    """E = ½ ‖p_S − target‖²: how far the last position of the chunk is from a target.

    In units of the position squared.

    Attributes:
        target: one number for each coordinate of a position.
    """

    target: tuple[float, ...] = ()

    def check(self, action_dim: int, position_dim: int) -> None:
        if self.weight and len(self.target) != position_dim:
            raise ValueError(
                f"energies.goal.target = {list(self.target)}: must have one number for each of the {position_dim} "
                "coordinates of a position, which forward.type says"
            )

    def __call__(self, chunks: Tensor, scene: Scene) -> Tensor:
        end = scene.positions(chunks)[:, :, -1]
        return (end - end.new_tensor(self.target)).square().sum(-1) / 2
