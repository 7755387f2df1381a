"""The candidate of the lowest energy."""

from dataclasses import dataclass

from torch import Tensor

from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.selection.base import AmongSeveral, Selection


@Selection.register_subclass("lowest_energy")
@dataclass(frozen=True)
class LowestEnergy(AmongSeveral):
    """The first n with E(a⁽ⁿ⁾) ≤ min_m E(a⁽ᵐ⁾) + tolerance.

    With `energy=end`, the dynamics model says that this chunk leads nearest to where demonstrations end. This is
    "random shooting" (arXiv 1708.02596) with the policy as proposal: only chunks that a demonstrator might have tried are
    considered.

    All candidates are drawn alike. The first within the tolerance is therefore the policy's own draw among those that the
    energy cannot tell apart. With a tolerance of 0 the lowest energy wins, however small the difference. If the energy
    is learned, the difference may be its error. This is more frequent with more candidates and with shorter training.
    `benchmarks/README.md` has figures.

    Cost: the network at batch B·N, and the energy of as many chunks.

    Attributes:
        tolerance: in units of the energy.
        energy: its name: `end`, which `dynamics.type=outcome` offers, a term of `energies` that has a weight, or `total`.
    """

    tolerance: float = 0.0
    energy: str = "end"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.tolerance >= 0:
            raise ValueError(f"selection.tolerance = {self.tolerance}: must be at least 0, in units of the energy")

    @property
    def energies(self) -> tuple[str, ...]:
        return (self.energy,)

    def choose(self, candidates: Candidates, tail: Tensor | None) -> Tensor:
        if self.energy not in candidates.energies:
            raise ValueError(
                f"selection.energy = {self.energy!r}: candidates have {sorted(candidates.energies) or 'none'}"
            )
        energy = candidates.energies[self.energy]
        good = energy <= energy.amin(1, keepdim=True) + self.tolerance
        return good.float().argmax(1)  # of equals argmax gives the first
