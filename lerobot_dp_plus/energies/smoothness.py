"""Chunks without jerks are better."""

from dataclasses import dataclass

from torch import Tensor

from lerobot_dp_plus.energies.base import EnergyTerm
from lerobot_dp_plus.notation import Scene


@EnergyTerm.register_subclass("smoothness")
@dataclass(frozen=True)
class Smoothness(EnergyTerm):
    """E = ½ Σ_j ‖a_{j+1} − 2a_j + a_{j−1}‖², the squared second difference along the whole chunk.

    In units of the action squared. `guidance.type=smoothness` is a step along its gradient.
    """

    def __call__(self, chunks: Tensor, scene: Scene) -> Tensor:
        return chunks.diff(n=2, dim=2).square().sum((2, 3)) / 2
