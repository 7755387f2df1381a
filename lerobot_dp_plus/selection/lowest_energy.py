"""Where foresight says it leads."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from lerobot_dp_plus.selection.base import Selection, check_candidates, take


@Selection.register_subclass("lowest_energy")
@dataclass(frozen=True)
class LowestEnergy(Selection):
    """The first n with E(a⁽ⁿ⁾) ≤ min_m E(a⁽ᵐ⁾) + tolerance: foreseen to lead nearest to where demonstrations end, or as good.

    Candidates are drawn alike, so the first within the tolerance is the policy's own draw among what foresight cannot tell
    apart. With a tolerance of 0 the lowest wins by however little, which may be an error of the model; the more so the
    more candidates there are and the less the model was trained. `benchmarks/README.md` has figures.

    Sampling proposes, the learned model disposes: "random shooting" (arXiv 1708.02596) with the policy as proposal, so
    that no chunk is considered that a demonstrator would not have tried. Cost: the network at batch B·N, and one call
    of the model on as many chunks.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"energy"})

    num_candidates: int = 16
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        check_candidates(self.num_candidates)
        if not self.tolerance >= 0:
            raise ValueError(f"selection.tolerance = {self.tolerance}: must be at least 0, in units of the energy")

    @property
    def candidates(self) -> int:
        return self.num_candidates

    def choose(self, chunks: Tensor, tail: Tensor | None, energy: Tensor | None = None) -> Tensor:
        if energy is None:
            raise ValueError(
                "selection.type=lowest_energy needs an energy of the chunks; foresight.type=outcome gives one"
            )
        good = energy <= energy.amin(1, keepdim=True) + self.tolerance
        return take(chunks, (~good).float())  # of equals argmin gives the first
