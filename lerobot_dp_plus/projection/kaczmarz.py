"""One broken rule after the other, the worst first."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lerobot_dp_plus.energies import Constraint
from lerobot_dp_plus.forward_maps import Identity
from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.notation import Scene
from lerobot_dp_plus.projection.base import Projected, Projection, violation


@Projection.register_subclass("kaczmarz")
@dataclass(frozen=True)
class Kaczmarz(Projection):
    """a ← a − ω·d·g/‖g‖², for the deepest rule d > 0 of every constraint in turn, g = ∂d/∂a = gainsᵀ·∂d/∂p.

    It is Kaczmarz's method (1937) with the most violated rule first (Motzkin and Schoenberg, 1954), on rules that are made
    linear anew at each step. A chunk that breaks no rule stays as it is. A rule about positions that actions hardly move
    would need wild actions. The first positions, whose gain is below `least_gain` of the greatest, are therefore left alone. No action goes further than `reach` from where it was drawn.

    Cost: no network call, and no gradient but closed forms. It ends with the round in which every rule is kept.

    Attributes:
        steps: most rounds over all constraints.
        margin: depth at which a rule counts as broken here, beyond the constraint's own margin; in units of the position.
        overshoot: ω, a little more than 1, so that it ends in finitely many steps.
        least_gain: share of the greatest gain that a position must have.
        reach: the furthest an action is moved, in the dataset's units.
    """

    steps: int = 15
    margin: float = 0.0
    overshoot: float = 1.05
    least_gain: float = 0.1
    reach: float = float("inf")

    def __post_init__(self) -> None:
        at_least("projection", self, steps=1)
        if not 0 <= self.margin < float("inf"):
            raise ValueError(f"projection.margin = {self.margin}: must be a number of at least 0")
        if not 1 <= self.overshoot < 2:
            raise ValueError(f"projection.overshoot = {self.overshoot}: must be at least 1 and less than 2")
        if not 0 <= self.least_gain <= 1:
            raise ValueError(f"projection.least_gain = {self.least_gain}: must be from 0 to 1")
        if not self.reach > 0:
            raise ValueError(f"projection.reach = {self.reach}: must be above 0")

    def __call__(
        self, chunks: Tensor, scene: Scene, constraints: Sequence[Constraint], free: Tensor | None = None
    ) -> Projected:
        forward = scene.forward or Identity(steps_between=1)
        drawn = chunks[:, :, scene.now :]
        coordinates = list(forward.coordinates(chunks.shape[-1]))
        told, past = drawn[..., coordinates], chunks[:, :, : scene.now]
        rows = forward.gains(drawn.shape[2], scene)
        gains, first = chunks.new_tensor(rows), first_moved(rows, self.least_gain)  # (S, L)
        start, moved = forward.start(drawn, scene), told
        movable = 1 if free is None else free[:, :, scene.now :][..., coordinates].to(chunks.dtype)
        for _ in range(self.steps):
            kept = not torch.compiler.is_compiling()  # a compiled graph does all rounds; further ones change nothing
            for constraint in constraints:
                depth, gradient = constraint.worst(start + gains @ moved, scene, first)
                over = (depth + constraint.margin + self.margin).clamp_min(0)[..., None, None]
                along = (gains.mT @ gradient) * movable  # ∂d/∂a, (B, N, L, P)
                size = along.square().sum((2, 3), keepdim=True)
                step = self.overshoot * over * along / size.clamp_min(1e-12)
                moved = told + (moved - step - told).clamp(-self.reach, self.reach)
                kept = kept and not bool((over > 0).any())
            if kept:
                break
        ahead = drawn.clone()
        ahead[..., coordinates] = moved
        found = torch.cat((past, ahead), 2)
        return Projected(found, violation(found, scene, constraints))


def first_moved(gains: Sequence[Sequence[float]], least: float) -> int:
    """The first position whose gain is at least so large a share of the greatest."""
    sizes = [sum(gain * gain for gain in row) for row in gains]
    return next(index for index, size in enumerate(sizes) if size >= least * least * max(sizes))
