"""Keep what is decided at every call of the network."""

from dataclasses import dataclass
from typing import ClassVar

from lerobot_dp_plus.real_time.base import RealTime


@RealTime.register_subclass("inpainting")
@dataclass(frozen=True)
class Inpainting(RealTime):
    """x₁ of the decided steps is replaced by the plan at every call, and their noise end explains the rest.

    Inpainting as in Diffuser, Janner et al., arXiv 2205.09991. What is decided is kept exactly. A network that was not
    trained so hardly sees it, and what follows is often no continuation.
    Cost: none.
    """

    fixes: ClassVar[bool] = True
