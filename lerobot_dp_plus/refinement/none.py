"""No refinement."""

from dataclasses import dataclass

from torch import Tensor

from lerobot_dp_plus.notation import Energy, Scene
from lerobot_dp_plus.refinement.base import Refinement


@Refinement.register_subclass("none")
@dataclass(frozen=True)
class NoRefinement(Refinement):
    """Chunks stay as they are."""

    @property
    def place(self) -> str | None:
        return None

    def __call__(self, chunks: Tensor, scene: Scene, energy: Energy, free: Tensor | None = None) -> Tensor:
        return chunks
