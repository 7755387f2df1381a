"""An energy that a user wrote."""

from dataclasses import dataclass

from torch import Tensor

from lerobot_dp_plus import named
from lerobot_dp_plus.energies.base import EnergyTerm
from lerobot_dp_plus.notation import Scene


@EnergyTerm.register_subclass("function")
@dataclass(frozen=True)
class Function(EnergyTerm):
    """A function of your own: (chunks (B, N, H, A) in the dataset's units, scene) -> (B, N), lower is better.

    It must be differentiable in the chunks if a guidance follows it.

    Attributes:
        path: where it is: "module:name", of a module that Python can import.
    """

    path: str = ""

    def check(self, action_dim: int, position_dim: int) -> None:
        if self.weight:
            named.function(self.path, "energies.function.path")

    def __call__(self, chunks: Tensor, scene: Scene) -> Tensor:
        told = named.call(self.path, "energies.function.path", chunks, scene)
        if not isinstance(told, Tensor) or told.shape != chunks.shape[:2]:
            what = f"shape {tuple(told.shape)}" if isinstance(told, Tensor) else type(told).__name__
            raise ValueError(
                f"energies.function.path = {self.path}: it gave {what} for chunks of shape {tuple(chunks.shape)}; it must "
                f"give one number for each candidate, a tensor of shape {tuple(chunks.shape[:2])}"
            )
        return told
