"""No guidance."""

from dataclasses import dataclass

from lerobot_dp_plus.guidance.base import Guidance
from lerobot_dp_plus.notation import Denoiser
from lerobot_dp_plus.paths import Path


@Guidance.register_subclass("none")
@dataclass(frozen=True)
class NoGuidance(Guidance):
    """The denoiser as it is."""

    def wrap(self, denoise: Denoiser, path: Path, *, bound: float | None = None, keep_noise: bool = False) -> Denoiser:
        return denoise
