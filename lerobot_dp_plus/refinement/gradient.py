"""Gradient steps on a chunk."""

import logging
from dataclasses import dataclass

import torch
from torch import Tensor

from lerobot_dp_plus.gradients import gradient
from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.notation import Energy, Scene
from lerobot_dp_plus.refinement.base import CHOSEN, PLACES, Refinement

logger = logging.getLogger(__name__)


@Refinement.register_subclass("gradient")
@dataclass(frozen=True)
class GradientSteps(Refinement):
    """a ← a − step·(∇E(a) + anchor·(a − a⁰)), `steps` times from the drawn chunk a⁰ on, never further from it than `reach`.

    GPC-OPT of Qi et al., arXiv 2502.00622: a proposal of the policy is improved by the gradient of what a learned model
    predicts of it. There E is the negative reward of predicted states, here the sum of the axis `energies`, of which
    `end` of `dynamics.type=outcome` is learned so. Everything is in the dataset's units.

    A learned model is right about chunks like those that were demonstrated. Its gradient leads to where it is wrong, long
    before it is satisfied. So steps must be small, or an anchor or a reach must hold them; `benchmarks/README.md` shows
    what they are worth, and the collapse.

    With E = ½k‖a − b‖² the chunk after n steps is a* + (1 − step·(k + anchor))ⁿ·(a⁰ − a*), a* = (k·b + anchor·a⁰)/(k +
    anchor). It diverges if step·(k + anchor) > 2. A chunk whose energy E has not fallen in the end, or is no number, is
    executed as it was drawn. No step or a step of size 0 changes nothing, to the last bit.
    Cost: steps gradients of the energy and two values; no call of the policy's network, unless `imitation` has a weight.

    Attributes:
        steps: how many.
        step: size of a step, in units of the action squared, divided by those of the energy.
        anchor: how much the way back to a⁰ counts, in units of the energy, divided by those of the action squared.
        reach: the furthest an action is moved in each of its dimensions, in the dataset's units. Null for no limit.
        of: `chosen` refines the one chunk that is chosen, by energies told before; `candidates` refines them all before
            one is chosen, by energies told afterwards.
    """

    steps: int = 5
    step: float = 1.0
    anchor: float = 0.0
    reach: float | None = None
    of: str = CHOSEN

    def __post_init__(self) -> None:
        at_least("refinement", self, steps=0)
        for name in ("step", "anchor"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"refinement.{name} = {getattr(self, name)}: must be a number of at least 0")
        if self.reach is not None and not self.reach > 0:
            raise ValueError(f"refinement.reach = {self.reach}: must be above 0, or null for no limit")
        if self.of not in PLACES:
            raise ValueError(f"refinement.of = {self.of!r}: legal are {', '.join(map(repr, PLACES))}")

    @property
    def place(self) -> str | None:
        return self.of if self.steps and self.step else None

    def __call__(self, chunks: Tensor, scene: Scene, energy: Energy, free: Tensor | None = None) -> Tensor:
        moved = chunks
        for _ in range(self.steps):
            slope = gradient(energy, moved, scene) + self.anchor * (moved - chunks)
            change = moved - self.step * slope - chunks
            if self.reach is not None:
                change = change.clamp(-self.reach, self.reach)
            change = torch.cat((torch.zeros_like(change[:, :, : scene.now]), change[:, :, scene.now :]), 2)
            moved = chunks + (change if free is None else torch.where(free, change, 0.0))
        before, after = energy(chunks, scene), energy(moved, scene)
        better = (after < before) & after.isfinite() & moved.isfinite().all(-1).all(-1)  # NaN is not less
        if not torch.compiler.is_compiling():
            self._tell(before, after)
        return torch.where(better[..., None, None], moved, chunks)

    def _tell(self, before: Tensor, after: Tensor) -> None:
        """Warn, once in a process, if energies are no numbers."""
        if not _told and not (before.isfinite() & after.isfinite()).all():
            _told.append(self)
            logger.warning(
                "refinement.type=gradient: the energy of %d of %d chunks is no number after its steps, so they stay as they were "
                "drawn; lower refinement.step = %g, or set refinement.reach",
                int((~after.isfinite()).sum()),
                after.numel(),
                self.step,
            )


#: The first refinement that had to warn.
_told: list[GradientSteps] = []
