"""A guidance that changes nothing and remembers every estimate."""

from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor

from lerobot_dp_plus.guidance import Guidance, Situation
from lerobot_dp_plus.notation import Denoiser, Prediction, Shift


class Call(NamedTuple):
    """One network call of a sampler: at time t the chunks x_t (N, H, A), and the data that it expects there."""

    t: float
    noise: float  # σ(t), the share of noise in x_t
    x_t: Tensor
    x1: Tensor


@dataclass(frozen=True, eq=False)
class Watched(Guidance):
    """The guidance `inner`, with a look at what it says at every call.

    Attributes:
        calls: what was seen, in order.
    """

    inner: Guidance
    calls: list[Call] = field(default_factory=list)

    def wrap(self, denoise: Denoiser, situation: Situation) -> Denoiser:
        bent = self.inner.wrap(denoise, situation)

        def seen(x_t: Tensor, t: Tensor, *end: Tensor | None) -> Prediction:
            prediction = bent(x_t, t, *end)  # type: ignore[call-arg]
            noise = float(situation.path.sigma(t)[0])
            self.calls.append(Call(float(t[0]), noise, x_t.clone(), prediction.x1.clone()))
            return prediction

        return seen

    def shift(self, situation: Situation) -> Shift | None:
        return self.inner.shift(situation)

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        """What the inner guidance needs."""
        return self.inner.needs

    @property
    def contrasts(self) -> bool:
        return self.inner.contrasts
