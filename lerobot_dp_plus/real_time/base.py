"""What every way to go on from a plan offers."""

import math
from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import draccus
from torch import Tensor

from lerobot_dp_plus.notation import Denoiser, Prediction
from lerobot_dp_plus.paths import Path

Schedule = Literal["exponential", "linear", "ones"]
SCHEDULES: tuple[Schedule, ...] = ("exponential", "linear", "ones")
#: (prediction, data end, x_t, t) -> the prediction with that data end, within the data's bound.
type Move = Callable[[Prediction, Tensor, Tensor, Tensor], Prediction]


@dataclass(frozen=True)
class RealTime(draccus.ChoiceRegistry, ABC):
    """How a new chunk goes on from the plan that is executed while it is computed.

    The first d steps of the new chunk will be over when it is ready. Until then the plan is executed, so these steps are
    decided. Whatever the member, a chunk is returned and judged with them in place.
    """

    #: Whether what is decided is kept at every call of the network, as in inpainting.
    fixes: ClassVar[bool] = False
    #: Whether the network is shown what is decided, without noise. It must have been trained so.
    shows: ClassVar[bool] = False
    #: Whether `wrap` bends the denoiser towards the plan.
    bends: ClassVar[bool] = False

    @property
    def differentiates(self) -> bool:
        """Whether it asks for a gradient."""
        return False

    def chosen(self, max_delay: int) -> "RealTime":
        """The member to use, for a policy that was trained with this `max_delay`."""
        return self

    def weights(self, delay: int, left: int) -> tuple[float, ...]:
        """How firmly a bent chunk is held to each of the `left` steps of the plan, between 0 and 1; 1 for those decided."""
        return (0.0,) * left

    def wrap(self, denoise: Denoiser, plan: Tensor, weights: Tensor, path: Path, moved: Move) -> Denoiser:
        """The denoiser, bent towards a plan (B, H, A) by the weights (B, H) of its steps."""
        return denoise


def soft_mask(schedule: Schedule, delay: int, overlap: int, left: int) -> tuple[float, ...]:
    """Weights of the `left` steps of a plan: 1 for the first `delay`, falling over `overlap` more, then 0.

    Real-time chunking, arXiv 2506.07339, eq. 5: with c = (d + o − i)/(o + 1) for step i, the weight is c·(e^c − 1)/(e − 1)
    if `exponential`, c if `linear`, and 1 if `ones`.
    """

    def weight(step: int) -> float:
        if step < delay:
            return 1.0
        share = (delay + overlap - step) / (overlap + 1)
        if share <= 0:
            return 0.0
        return {"ones": 1.0, "linear": share, "exponential": share * math.expm1(share) / math.expm1(1)}[schedule]

    return tuple(weight(step) for step in range(left))
