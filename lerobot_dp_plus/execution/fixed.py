"""Always as many."""

from dataclasses import dataclass

from torch import Tensor

from lerobot_dp_plus.execution.base import Execution


@Execution.register_subclass("fixed")
@dataclass(frozen=True)
class Fixed(Execution):
    """T_a = n_action_steps, receding horizon with a fixed step: Diffusion Policy, arXiv 2303.04137."""

    def count(self, candidates: Tensor, chosen: Tensor, most: int) -> int:
        return most
