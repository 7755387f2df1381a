"""No choice."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.selection.base import Selection


@Selection.register_subclass("first")
@dataclass(frozen=True)
class First(Selection):
    """One candidate, which is taken."""

    @property
    def candidates(self) -> int:
        return 1

    def choose(self, candidates: Candidates, tail: Tensor | None) -> Tensor:
        return torch.zeros(len(candidates.chunks), dtype=torch.int64, device=candidates.chunks.device)
