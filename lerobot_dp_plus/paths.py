"""Level 1: the path from noise to data, and every conversion along it.

    x_t = α(t)·x₁ + σ(t)·x₀          x₀ ~ N(0, I) noise, x₁ data, t = 0 noise, t = 1 data

| path | α(t) | σ(t) | source |
|---|---|---|---|
| `StraightPath` | t | 1 − t | rectified flow, arXiv 2209.03003; flow matching, arXiv 2210.02747 |
| `SquaredCosinePath` | cos-schedule √ᾱ | √(1 − ᾱ) | improved DDPM, arXiv 2102.09672 eq. 17 |
| `LinearBetaPath` | √∏(1 − β) | √(1 − ᾱ) | DDPM, arXiv 2006.11239 §4 |

The discrete step k of K sits at t = 1 − (k + 1)/K. The noisiest step, k = K−1, is at t = 0. Clean data is at t = 1. A
uniform grid of n steps in t is diffusers' "trailing" spacing.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal

import draccus
import torch
from torch import Tensor

from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.notation import Prediction, per_sample

Parametrisation = Literal["epsilon", "x1", "v"]
PARAMETRISATIONS: tuple[Parametrisation, ...] = ("epsilon", "x1", "v")
#: The parametrisations that give a velocity on all of [0, 1).
FLOW_PARAMETRISATIONS: tuple[Parametrisation, ...] = ("x1", "v")


def even_grid(steps: int, like: Tensor) -> Tensor:
    """t = 0, 1/n, …, 1, (steps + 1,) in the dtype and on the device of `like`."""
    return torch.linspace(0, 1, steps + 1, device=like.device, dtype=like.dtype)


@dataclass(frozen=True)
class Path(draccus.ChoiceRegistry, ABC):
    """α, σ, their directions, and the conversions between noise, data and velocity. All times are (B,) tensors."""

    @abstractmethod
    def alpha(self, t: Tensor) -> Tensor:
        """Weight of the data in x_t."""

    @abstractmethod
    def sigma(self, t: Tensor) -> Tensor:
        """Weight of the noise in x_t."""

    @abstractmethod
    def velocity_weights(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """(a, b) of the velocity target v = a·x₁ + b·x₀.

        They are dα and dσ per length of the path, and they are bounded on all of [0, 1].
        """

    @abstractmethod
    def network_time(self, t: Tensor) -> Tensor:
        """The time value fed to the network, scaled so that a sinusoidal embedding sees a useful range."""

    def grid(self, steps: int, like: Tensor) -> Tensor:
        """The times 0 = t₀ < … < 1 of so many sampling steps, (steps + 1,), in the dtype and on the device of `like`.

        By default they are even in t.
        """
        return even_grid(steps, like)

    def smooth_grid(self, steps: int, like: Tensor) -> Tensor:
        """The same for samplers whose order needs a last step that shrinks as 1/steps in σ.

        By default this is `grid`, whose last step shrinks in this way.
        """
        return self.grid(steps, like)

    def time_at(self, ratio: Tensor) -> Tensor:
        """t at which σ/α is `ratio` (K,) > 0, float64 on the CPU; 0 where the path never has so much noise.

        By bisection, because σ/α falls with t.
        """
        low, high = torch.zeros_like(ratio), torch.ones_like(ratio)
        for _ in range(60):
            middle = (low + high) / 2
            above = self.sigma(middle) > ratio * self.alpha(middle)
            low, high = torch.where(above, middle, low), torch.where(above, high, middle)
        return high

    def interpolate(self, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
        """x_t = α·x₁ + σ·x₀, (B, H, A)."""
        return per_sample(self.alpha(t), x1) * x1 + per_sample(self.sigma(t), x0) * x0

    def target(self, kind: Parametrisation, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
        """What a network of the given parametrisation regresses on, (B, H, A)."""
        if kind == "epsilon":
            return x0
        if kind == "x1":
            return x1
        a, b = self.velocity_weights(t)
        return per_sample(a, x1) * x1 + per_sample(b, x0) * x0

    def ends(self, kind: Parametrisation, output: Tensor, x_t: Tensor, t: Tensor) -> Prediction:
        """Both ends of the path from a network output at x_t: solve x_t = α·x₁ + σ·x₀ for what was not predicted.

        With ε at t = 0, and with x₁ at t = 1, this divides by an α or σ that is zero or nearly zero. Samplers never
        ask for x₀ there.
        """
        alpha, sigma = per_sample(self.alpha(t), x_t), per_sample(self.sigma(t), x_t)
        if kind == "epsilon":
            return Prediction(x0=output, x1=(x_t - sigma * output) / alpha)
        if kind == "x1":
            return self.with_data(output, x_t, t)
        a, b = (per_sample(w, x_t) for w in self.velocity_weights(t))
        determinant = alpha * b - a * sigma
        return Prediction(
            x0=(alpha * output - a * x_t) / determinant,
            x1=(b * x_t - sigma * output) / determinant,
        )

    def with_data(self, x1: Tensor, x_t: Tensor, t: Tensor) -> Prediction:
        """The prediction whose data end is x₁ and whose noise end explains the rest of x_t."""
        alpha, sigma = per_sample(self.alpha(t), x_t), per_sample(self.sigma(t), x_t)
        return Prediction(x0=(x_t - alpha * x1) / sigma.clamp_min(torch.finfo(x_t.dtype).tiny), x1=x1)


@Path.register_subclass("straight")
@dataclass(frozen=True)
class StraightPath(Path):
    """x_t = t·x₁ + (1 − t)·x₀, v = x₁ − x₀."""

    time_scale: float = 1000.0

    def alpha(self, t: Tensor) -> Tensor:
        return t

    def sigma(self, t: Tensor) -> Tensor:
        return 1 - t

    def time_at(self, ratio: Tensor) -> Tensor:
        return 1 / (1 + ratio)

    def velocity_weights(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return torch.ones_like(t), -torch.ones_like(t)

    def network_time(self, t: Tensor) -> Tensor:
        return self.time_scale * t


@dataclass(frozen=True)
class VariancePreservingPath(Path):
    """α² + σ² = 1: x_t = cos φ·x₁ + sin φ·x₀ with an angle φ(t) falling from π/2 to 0.

    The velocity target has unit speed: dx/dt ÷ |dφ/dt| = sin φ·x₁ − cos φ·x₀ = σ·x₁ − α·x₀. It is the v of Salimans &
    Ho (arXiv 2202.00512), with the sign changed to fit our clock.
    """

    num_train_steps: int

    def __post_init__(self) -> None:
        at_least("objective.path", self, num_train_steps=2)

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone. Tables kept for one device have no use where the pickle is opened."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def _copies(self) -> dict[tuple[str, torch.dtype, torch.device], Tensor]:
        return {}

    def _beside(self, t: Tensor, name: str, make: Callable[[], Tensor]) -> Tensor:
        """A table on the device of t, copied there once: code compiled for a GPU must not read outside that GPU."""
        place = name, t.dtype, t.device
        if place not in self._copies:
            self._copies[place] = make().to(t.dtype).to(t.device)  # in this order: not every device knows float64
        return self._copies[place]

    @abstractmethod
    def log_alpha_bar(self, t: Tensor) -> Tensor:
        """log ᾱ(t) = 2 log α(t)."""

    def alpha_bar(self, t: Tensor) -> Tensor:
        """ᾱ(t) = α(t)²."""
        return torch.exp(self.log_alpha_bar(t))

    def alpha(self, t: Tensor) -> Tensor:
        return torch.exp(0.5 * self.log_alpha_bar(t))

    def sigma(self, t: Tensor) -> Tensor:
        return torch.sqrt(-torch.expm1(self.log_alpha_bar(t)))

    def velocity_weights(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return self.sigma(t), -self.alpha(t)

    def network_time(self, t: Tensor) -> Tensor:
        """The discrete step k = K(1 − t) − 1, as LeRobot's and diffusers' networks were trained on."""
        return self.num_train_steps * (1 - t) - 1

    def smooth_grid(self, steps: int, like: Tensor) -> Tensor:
        """φ_k = φ₀·(1 − k/n)^1.5.

        The power was measured (`benchmarks.sampler_truth`). With 1 the modes' spread suffers, with 2 their weights.
        """
        return self._beside(like, f"smooth grid of {steps}", lambda: self._at_angles(steps))

    def _at_angles(self, steps: int) -> Tensor:
        """The times of `smooth_grid`, float64 (steps + 1,)."""
        left = torch.arange(steps, -1, -1, dtype=torch.float64)
        start = torch.zeros_like(left)
        times = self.time_at(torch.tan(torch.atan2(self.sigma(start), self.alpha(start)) * (left / steps) ** 1.5))
        # However many times there are, they must differ in float32. They must also differ for tables, which take a time
        # next to an entry for that entry.
        times = times.minimum(1 - left * min(2e-3 / self.num_train_steps, 0.5 / steps))
        times[0], times[-1] = 0, 1
        return times


@Path.register_subclass("squared_cosine")
@dataclass(frozen=True)
class SquaredCosinePath(VariancePreservingPath):
    """ᾱ(t) = cos²(π/2·(1 − t + s)/(1 + s)) / cos²(π/2·s/(1 + s)), s = 0.008.

    Improved DDPM, arXiv 2102.09672, eq. 17, in closed form. Diffusers clips each β to 0.999, which
    changes the last step only. The same floor is kept here, so that t = 0 has α > 0 and both agree at every k.
    """

    num_train_steps: int = 100

    offset = 0.008
    max_beta = 0.999

    @property
    def _rate(self) -> float:
        """c of cos(angle(t)) = sin(c·t)."""
        return math.pi / 2 / (1 + self.offset)

    @cached_property
    def _log_floor(self) -> float:
        """log ᾱ at t = 0: log ᾱ of k = K − 2, plus one step of the largest β."""
        return 2 * math.log(math.sin(self._rate / self.num_train_steps) / math.sin(self._rate)) + math.log1p(
            -self.max_beta
        )

    def log_alpha_bar(self, t: Tensor) -> Tensor:
        # sin(c·t)/sin(c) written as 1 − fall, so that σ² = 1 − ᾱ keeps its digits in float32 and is exactly 0 at t = 1.
        angle = self._rate * (1 - t)
        fall = 2 * torch.sin(0.5 * angle).square() + torch.sin(angle) / math.tan(self._rate)
        return (2 * torch.log1p(-fall.clamp_max(1.0))).clamp_min(self._log_floor)


@dataclass(frozen=True)
class StepwisePath(VariancePreservingPath):
    """ᾱ is given at the K + 1 steps t = 0, 1/K, …, 1; between them log ᾱ is linear."""

    @abstractmethod
    def log_alpha_bars(self) -> Tensor:
        """log ᾱ at the steps, ascending in t; float64 (K + 1,)."""

    def log_alpha_bar(self, t: Tensor) -> Tensor:
        table, position = self._beside(t, "log_alpha_bar", self.log_alpha_bars), self._position(t)
        left = position.floor().clamp_max(self.num_train_steps - 1).long()
        return table[left] + (table[left + 1] - table[left]) * (position - left)

    def _position(self, t: Tensor) -> Tensor:
        """K·t. It is rounded if a step is near, so that a step computed in float32 lands exactly on its table entry."""
        position = (t * self.num_train_steps).clamp(0, self.num_train_steps)
        return torch.where((position - position.round()).abs() < 1e-3, position.round(), position)


def check_betas(start: float, end: float) -> None:
    """Raise a ValueError unless each step adds noise, adds no less than the step before, and leaves some data."""
    if not 0 < start <= end < 1:
        given = f"objective.path.beta_start = {start}, objective.path.beta_end = {end}"
        raise ValueError(f"{given}: must be 0 < beta_start <= beta_end < 1")


@Path.register_subclass("linear_beta")
@dataclass(frozen=True)
class LinearBetaPath(StepwisePath):
    """ᾱ_k = ∏_{i≤k} (1 − β_i), β from `beta_start` to `beta_end` in K steps; log ᾱ is linear between the steps.

    DDPM, arXiv 2006.11239, §4 (K = 1000, β 1e-4 … 0.02).
    """

    num_train_steps: int = 1000
    beta_start: float = 1e-4
    beta_end: float = 0.02

    def __post_init__(self) -> None:
        super().__post_init__()
        check_betas(self.beta_start, self.beta_end)

    def log_alpha_bars(self) -> Tensor:
        beta = torch.linspace(self.beta_start, self.beta_end, self.num_train_steps, dtype=torch.float64)
        return torch.cat([torch.zeros(1, dtype=torch.float64), torch.log1p(-beta).cumsum(0)]).flip(0)

    def grid(self, steps: int, like: Tensor) -> Tensor:
        """The smooth grid. With ten steps even in t, the last one begins at σ = 0.32 and leaves mass between modes."""
        return self.smooth_grid(steps, like)
