"""What every guidance offers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import draccus

from lerobot_dp_plus.notation import Denoiser
from lerobot_dp_plus.paths import Path


@dataclass(frozen=True)
class Guidance(draccus.ChoiceRegistry, ABC):
    """A denoiser -> denoiser map."""

    @abstractmethod
    def wrap(self, denoise: Denoiser, path: Path) -> Denoiser:
        """The bent denoiser."""
