"""A choice that a user wrote."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lerobot_dp_plus import named
from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.selection.base import Selection


@Selection.register_subclass("function")
@dataclass(frozen=True)
class Function(Selection):
    """A function of your own: (candidates, tail) -> the index of one candidate for each observation, (B,).

    Its candidates begin at the current step, in normalised units. `tail` is what was planned before, as for every member.

    Attributes:
        path: where it is: "module:name", of a module that Python can import.
        asks: names of the energies that it wants to see.
        modes: whether it wants to see the modes.
    """

    num_candidates: int = 16
    path: str = ""
    asks: tuple[str, ...] = ()
    modes: bool = False

    def __post_init__(self) -> None:
        at_least("selection", self, num_candidates=1)

    @property
    def candidates(self) -> int:
        return self.num_candidates

    @property
    def energies(self) -> tuple[str, ...]:
        return self.asks

    @property
    def needs_modes(self) -> bool:
        return self.modes

    def check(self, chunk_length: int, executed: int) -> None:
        named.function(self.path, "selection.path")

    def choose(self, candidates: Candidates, tail: Tensor | None) -> Tensor:
        told = named.call(self.path, "selection.path", candidates, tail)
        batch, count = candidates.chunks.shape[:2]
        index = torch.as_tensor(told, device=candidates.chunks.device)
        if index.shape != (batch,) or index.is_floating_point() or not bool(((index >= 0) & (index < count)).all()):
            raise ValueError(
                f"selection.path = {self.path}: it gave {told!r}; it must give {batch} whole numbers from 0 to {count - 1}, "
                "one for each observation"
            )
        return index.long()
