"""Keep out of discs, balls and boxes."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lerobot_dp_plus.energies.base import EnergyTerm
from lerobot_dp_plus.energies.constraint import Constraint, Violation, deepest
from lerobot_dp_plus.notation import Scene

#: No direction is the way out of a ball's very centre; this length stands for none.
NOWHERE = 1e-9
#: How far away an obstacle is that is not there.
FAR = 1e9


@EnergyTerm.register_subclass("obstacles")
@dataclass(frozen=True)
class Obstacles(Constraint):
    """depth = radius + clearance − ‖p − centre‖, and for boxes clearance − the signed distance to the box.

    Every sub-step of the way is a rule, and the deepest obstacle counts there. A signed distance is negative inside. Around
    a box's corner the forbidden set is rounded. Obstacles that are seen, `Scene.obstacles`, count like `circles`.

    Attributes:
        circles: rows [centre…, radius], or [centre…, radius, velocity…] for what moves. In the plane a row is a disc, in
            space a ball. Velocities are per step of a chunk; the centre is where it is now.
        boxes: rows [low…, high…] of corners.
        clearance: the robot's own radius, and whatever is to be left free.
    """

    endless: ClassVar[frozenset[str]] = frozenset({"boxes"})

    circles: tuple[tuple[float, ...], ...] = ()
    boxes: tuple[tuple[float, ...], ...] = ()
    clearance: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for box in self.boxes:
            half = len(box) // 2
            if len(box) % 2 or not all(low < high for low, high in zip(box[:half], box[half:], strict=True)):
                raise ValueError(
                    f"energies.obstacles.boxes has the row {list(box)}: must be [low…, high…] with every low below its high"
                )

    def check(self, action_dim: int, position_dim: int) -> None:
        p = position_dim
        for circle in self.circles:
            if len(circle) not in (p + 1, 2 * p + 1) or circle[p] < 0:
                raise ValueError(
                    f"energies.obstacles.circles has the row {list(circle)}: must be {p} coordinates, a radius of at "
                    f"least 0, and for an obstacle that moves {p} velocities; forward.type says what a position is"
                )
        for box in self.boxes:
            if len(box) != 2 * p:
                raise ValueError(
                    f"energies.obstacles.boxes has the row {list(box)}: must be {p} low and {p} high coordinates"
                )

    def depths(self, positions: Tensor, scene: Scene) -> Tensor:
        return self._away(positions, scene)[0].amax(-2)

    def worst(self, positions: Tensor, scene: Scene, first: int = 0) -> Violation:
        depths, out = self._away(positions, scene)
        count = depths.shape[-1]
        depth, one = deepest(depths[..., first:].flatten(2), 0)  # over obstacles and sub-steps
        one = torch.nn.functional.pad(one.unflatten(2, (-1, count - first)), (first, 0))
        return Violation(depth, -(one[..., None] * out).sum(2))

    def _away(self, positions: Tensor, scene: Scene) -> tuple[Tensor, Tensor]:
        """For each of K obstacles, depth (B, N, K, S) and the shortest way out, a unit vector, (B, N, K, S, P)."""
        depths, ways = [], []
        steps = scene.elapsed(positions)
        p = positions.shape[-1]
        rows = [positions.new_tensor(circle)[None] for circle in self.circles]
        if scene.obstacles is not None:
            rows += scene.obstacles.to(positions.dtype).unbind(1)
        for row in rows:  # (1 or B, P + 1 or 2 P + 1)
            centre = row[:, None, :p] + (steps[:, None] * row[:, None, p + 1 :] if row.shape[-1] > p + 1 else 0)
            out = positions - centre[:, None]
            far = (out.square().sum(-1) + NOWHERE**2).sqrt()
            depths.append(row[:, p, None, None] + self.clearance - far)
            ways.append(out / far[..., None])
        for box in self.boxes:
            distance, out = box_distance(positions, positions.new_tensor(box[:p]), positions.new_tensor(box[p:]))
            depths.append(self.clearance - distance)
            ways.append(out)
        if not depths:  # nothing is in the way
            nowhere = 0 * positions[:, :, None]
            return nowhere.sum(-1) - FAR, nowhere
        return torch.stack(depths, -2), torch.stack(ways, -3)


def box_distance(positions: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """The signed distance (...) of positions (..., P) to a box, negative inside, and its gradient (..., P)."""
    beyond = torch.maximum(low - positions, positions - high)  # per axis, negative inside the slab
    side = torch.where(positions > (low + high) / 2, 1.0, -1.0).to(positions.dtype)
    outside = beyond.clamp_min(0)
    away = (outside.square().sum(-1, keepdim=True) + NOWHERE**2).sqrt()
    inside = beyond.amax(-1, keepdim=True).clamp_max(0)
    nearest = torch.zeros_like(beyond).scatter_(-1, beyond.argmax(-1, keepdim=True), 1)
    is_out = beyond.amax(-1, keepdim=True) > 0
    return (torch.where(is_out, away, inside)).squeeze(-1), side * torch.where(is_out, outside / away, nearest)
