"""What there is to judge: at every step, and when a new chunk has been made."""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from lerobot_dp_plus.notation import Candidates


@dataclass(frozen=True)
class Evidence:
    """The plan made before and what is known now. Chunks begin at the current step and are in the dataset's units.

    Args:
        candidates: drawn for the new observation, chunks (B, N, M, A).
        tail: what the plan made before says of the next L ≤ M steps, (B, L, A); None if there was none or nothing is left.
        unexpected: the states observed now minus those that a learned dynamics model expected when the plan before was
            made, side by side, normalised, (B, D). None if there is no such model, or no plan before.
    """

    candidates: Candidates
    tail: Tensor | None = None
    unexpected: Tensor | None = None


class Forecast(NamedTuple):
    """What a learned dynamics model says at a step: normalised states side by side.

    Args:
        now: as they are observed, (B, D).
        next: as they are expected after the action that was just decided, (B, D).
    """

    now: Tensor
    next: Tensor
