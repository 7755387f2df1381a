"""Where foresight says it leads."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from lerobot_dp_plus.selection.base import Energy, Selection, check_candidates, take


@Selection.register_subclass("lowest_energy")
@dataclass(frozen=True)
class LowestEnergy(Selection):
    """argmin_n E(a⁽ⁿ⁾): the candidate whose foreseen outcome is nearest to where demonstrations end.

    Sampling proposes, the learned model disposes: "random shooting" (arXiv 1708.02596) with the policy as proposal, so
    that no chunk is considered that a demonstrator would not have tried. Cost: the network at batch B·N, and one call
    of the model on as many chunks.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"energy"})

    num_candidates: int = 16

    def __post_init__(self) -> None:
        check_candidates(self.num_candidates)

    @property
    def candidates(self) -> int:
        return self.num_candidates

    def choose(self, chunks: Tensor, tail: Tensor | None, energy: Energy | None = None) -> Tensor:
        if energy is None:
            raise ValueError(
                "selection.type=lowest_energy needs an energy of the chunks; foresight.type=outcome gives one"
            )
        return take(chunks, energy(chunks))
