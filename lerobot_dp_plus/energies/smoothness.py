"""Chunks without jerks are better."""

from dataclasses import dataclass

from torch import Tensor

from lerobot_dp_plus.energies.base import EnergyTerm
from lerobot_dp_plus.notation import Scene


@EnergyTerm.register_subclass("smoothness")
@dataclass(frozen=True)
class Smoothness(EnergyTerm):
    """E = ½ Σ_j ‖Δᵏ a_j‖², the squared k-th difference along the whole chunk: k = 2 acceleration, k = 3 jerk.

    In units of the action squared. With k = 2, `guidance.type=smoothness` is a step along its gradient.

    Attributes:
        order: k.
    """

    order: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.order not in (1, 2, 3):
            raise ValueError(
                f"energies.smoothness.order = {self.order}: legal are 1 (speed), 2 (acceleration), 3 (jerk)"
            )

    def __call__(self, chunks: Tensor, scene: Scene) -> Tensor:
        return chunks.diff(n=self.order, dim=2).square().sum((2, 3)) / 2
