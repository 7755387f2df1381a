"""The candidate that the policy knows best."""

from dataclasses import dataclass

from torch import Tensor

from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.selection.base import AmongSeveral, Selection

#: The energy that every policy has: how badly it knows a chunk.
IMITATION = "imitation"


@Selection.register_subclass("most_likely")
@dataclass(frozen=True)
class MostLikely(AmongSeveral):
    """argmin_n E‖ε_θ − ε‖² of chunk n, which ranks nearly as the log-density does: `energies.imitation`.

    All candidates are drawn from the policy itself, and a likely chunk need not succeed more often. What this rejects are
    chunks that the policy would hardly draw, such as those that a projection has moved far.

    Cost: the network at batch B·N, and `energies.imitation.draws` calls more.
    """

    @property
    def energies(self) -> tuple[str, ...]:
        return (IMITATION,)

    def choose(self, candidates: Candidates, tail: Tensor | None) -> Tensor:
        return candidates.energies[IMITATION].argmin(1)
