"""No choice."""

from dataclasses import dataclass

from torch import Tensor

from lerobot_dp_plus.selection.base import Selection


@Selection.register_subclass("first")
@dataclass(frozen=True)
class First(Selection):
    """chunks[:, 0]: one candidate, which is taken."""

    @property
    def candidates(self) -> int:
        return 1

    def choose(self, chunks: Tensor, tail: Tensor | None, energy: Tensor | None = None) -> Tensor:
        return chunks[:, 0]
