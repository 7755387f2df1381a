"""Stay in the mode that was chosen."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.selection.base import Selection
from lerobot_dp_plus.selection.lowest_energy import LowestEnergy


@Selection.register_subclass("hold_mode")
@dataclass(frozen=True)
class HoldMode(LowestEnergy):
    """argmin_n E(a⁽ⁿ⁾) + m(max_j ‖a_j⁽ⁿ⁾ − plan_j‖), the plan itself being one of the candidates.

        m(d) = 0 for the plan, d = 0;  near_margin for d ≤ radius;  margin beyond.

    A mode is carried as a trajectory: what the chosen chunk planned for the steps to come. It goes on, until a chunk near
    to it is better by `near_margin`, and takes its place, or one of another mode is better by `margin`. Energies tell where
    chunks lead once the plan is used up. When fewer than `n_action_steps` of its steps are left, the choice is free.

    Without it, a policy that looks often puts off what it means to do. Each time the best of 16 chunks is the one that acts
    late and well, only its first steps are executed, and the next choice is another. `benchmarks/README.md` has figures.

    `policy.hold(chunk)` gives the plan, as a person's choice. `policy.release()` frees the next choice. Source: our own.
    Cost: that of `lowest_energy`, and one more chunk to judge.

    Attributes:
        radius: how far an action may be from the plan's and count as the same mode. Normalised: 2 is the range of the data.
        near_margin: by how much the energy of a chunk of the same mode must be lower than the plan's, in units of it.
        margin: the same for a chunk of another mode.
        tolerance: as for `lowest_energy`.
    """

    radius: float = 0.08
    near_margin: float = 0.1
    margin: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("selection", self, radius=0, near_margin=0, margin=0)

    @property
    def holds(self) -> bool:
        return True

    def check(self, chunk_length: int, executed: int) -> None:
        if 2 * executed > chunk_length:
            raise ValueError(
                f"n_action_steps = {executed}: with selection.type=hold_mode at most {chunk_length // 2}, half of the "
                f"{chunk_length} planned steps, or nothing of a plan is left to hold"
            )

    def choose(self, candidates: Candidates, tail: Tensor | None) -> Tensor:
        if tail is not None:
            apart = (candidates.chunks[:, :, : tail.shape[1]] - tail[:, None]).norm(dim=-1)  # (B, N, L)
            far = apart.nan_to_num(0).amax(-1)  # 0 if nothing is planned
            raised = candidates.energies[self.energy] + torch.where(
                far > self.radius, self.margin, torch.where(far > 0, self.near_margin, 0.0)
            )
            candidates = candidates._replace(energies={**candidates.energies, self.energy: raised})
        return super().choose(candidates, None)
