"""The candidate that the policy knows best."""

from dataclasses import dataclass

from torch import Tensor

from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.selection.base import Selection, check_candidates

#: The energy that every policy has: how badly it knows a chunk.
IMITATION = "imitation"


@Selection.register_subclass("most_likely")
@dataclass(frozen=True)
class MostLikely(Selection):
    """argmin_n E‖ε_θ − ε‖² of chunk n, which ranks nearly as the log-density does: `energies.imitation`.

    All candidates are drawn from the policy, so the likeliest is seldom better than the first. On PushT it is not. It
    rejects chunks that come from elsewhere, or that a projection has moved far.

    Cost: the network at batch B·N, and `energies.imitation.draws` calls more.
    """

    num_candidates: int = 16

    def __post_init__(self) -> None:
        check_candidates(self.num_candidates)

    @property
    def candidates(self) -> int:
        return self.num_candidates

    @property
    def energies(self) -> tuple[str, ...]:
        return (IMITATION,)

    def choose(self, candidates: Candidates, tail: Tensor | None) -> Tensor:
        return candidates.energies[IMITATION].argmin(1)
