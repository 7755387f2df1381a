"""No guidance."""

from dataclasses import dataclass

from lerobot_dp_plus.guidance.base import Guidance, Situation
from lerobot_dp_plus.notation import Denoiser


@Guidance.register_subclass("none")
@dataclass(frozen=True)
class NoGuidance(Guidance):
    """The denoiser as it is."""

    def wrap(self, denoise: Denoiser, situation: Situation) -> Denoiser:
        return denoise
