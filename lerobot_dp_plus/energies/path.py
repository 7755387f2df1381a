"""Be where a path is, step by step."""

from dataclasses import dataclass

from torch import Tensor

from lerobot_dp_plus.energies.base import EnergyTerm
from lerobot_dp_plus.notation import Scene


@EnergyTerm.register_subclass("path")
@dataclass(frozen=True)
class Path(EnergyTerm):
    """E = ½ Σ_j ‖p_j − q_j‖²: how far the robot is from a path at the end of every step.

    In units of the position squared. The sketch of ITPS, arXiv 2411.16627, eq. 2, squared and with a time for every point.

    Attributes:
        points: rows q_j of coordinates, the first for the end of the current step. Steps without one count for nothing.
    """

    points: tuple[tuple[float, ...], ...] = ()

    def check(self, action_dim: int, position_dim: int) -> None:
        if self.weight and not self.points:
            raise ValueError("energies.path.points = []: must have at least one point, [[x, y], …]")
        for point in self.points:
            if len(point) != position_dim or not all(abs(value) < float("inf") for value in point):
                raise ValueError(
                    f"energies.path.points has the row {list(point)}: must be {position_dim} finite coordinates, of a "
                    "position as forward.type says"
                )

    def __call__(self, chunks: Tensor, scene: Scene) -> Tensor:
        ends = scene.positions(chunks)[:, :, scene.substeps - 1 :: scene.substeps]
        count = min(len(self.points), ends.shape[2])
        return (ends[:, :, :count] - ends.new_tensor(self.points[:count])).square().sum((2, 3)) / 2
