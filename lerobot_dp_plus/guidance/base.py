"""What every guidance offers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import cast

import draccus
from torch import Tensor

from lerobot_dp_plus.notation import Denoiser, FlowMap, Prediction
from lerobot_dp_plus.paths import Path


@dataclass(frozen=True)
class Guidance(draccus.ChoiceRegistry, ABC):
    """A denoiser -> denoiser map."""

    @abstractmethod
    def wrap(self, denoise: Denoiser, path: Path, *, bound: float | None = None, keep_noise: bool = False) -> Denoiser:
        """The bent denoiser; `bound` and `keep_noise` are those of the objective's denoiser, and hold of this one too."""

    def wrap_flow_map(self, denoise: Denoiser, path: Path, *, bound: float | None = None) -> FlowMap:
        """The same for a denoiser that is a flow map: the ends of a chord are bent as those of a tangent."""
        flow_map = cast(FlowMap, denoise)

        def jump(x_t: Tensor, t: Tensor, u: Tensor | None = None) -> Prediction:
            return self.wrap(lambda x, time: flow_map(x, time, u), path, bound=bound)(x_t, t)

        return jump
