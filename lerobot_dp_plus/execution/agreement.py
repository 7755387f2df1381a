"""As long as the candidates agree."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lerobot_dp_plus.execution.base import Execution
from lerobot_dp_plus.legal import at_least


@Execution.register_subclass("agreement")
@dataclass(frozen=True)
class Agreement(Execution):
    """T_a = the number of first rows j with s_j ≤ spread, at least `min_steps` and at most n_action_steps.

        s_j = √(1/|K| · Σ_{n ∈ K} ‖a_j⁽ⁿ⁾ − a_j‖²)     a the chosen chunk, K the candidates that are near to it

    The idea is that of DVAC, arXiv 2606.03847: execute what is certain, and look again before what is not. There the
    variance is that of one chunk's estimates over the last denoising steps. Here it is that of the candidates, which a
    selection has drawn anyway, and the threshold is a length in the dataset's units. It is not adapted while running.

    All samples of a batch are executed equally long, so the most uncertain one decides. Cost: none in network calls.

    Attributes:
        spread: the largest s_j that counts as agreement, in the dataset's units.
        min_steps: executed in any case.
        nearest: the share of the candidates that K holds, those nearest to the chosen chunk over n_action_steps rows.
            With 1 other ways of doing the task count as disagreement, with ½ a second way does not.
    """

    compares: ClassVar[bool] = True

    spread: float = 10.0
    min_steps: int = 1
    nearest: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.spread < float("inf"):
            raise ValueError(f"execution.spread = {self.spread}: must be at least 0, in the units of the actions")
        at_least("execution", self, min_steps=1)
        if not 0 < self.nearest <= 1:
            raise ValueError(f"execution.nearest = {self.nearest}: must be in (0, 1], a share of the candidates")

    def check(self, candidates: int, most: int) -> None:
        if self.min_steps > most:
            raise ValueError(f"execution.min_steps = {self.min_steps}: must be at most n_action_steps = {most}")
        if self._kept(candidates) < 2:
            raise ValueError(
                f"execution.nearest = {self.nearest}: of {candidates} candidates it leaves {self._kept(candidates)}, and "
                "one cannot disagree with itself; raise it, draw more (selection.num_candidates), or use "
                "execution.type=fixed"
            )

    def _kept(self, candidates: int) -> int:
        return max(1, round(self.nearest * candidates))

    def count(self, candidates: Tensor, chosen: Tensor, most: int) -> int:
        squares = (candidates - chosen[:, None]).square().sum(-1)[:, :, :most]  # (B, N, most)
        near = squares.sum(-1).topk(self._kept(squares.shape[1]), dim=1, largest=False).indices
        rows = torch.arange(len(near), device=near.device)[:, None]
        disagree = squares[rows, near].mean(1) > self.spread**2  # (B, most)
        agreed = (disagree.cumsum(-1) == 0).sum(-1)
        return min(most, max(self.min_steps, int(agreed.min())))
