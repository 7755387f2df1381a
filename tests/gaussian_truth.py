"""Data x₁ ~ N(μ, s²), independent elements: everything a network, an objective or a sampler should find, in closed form.

`ExactNetwork` and what stands on it take any truth that knows its `ends`, `benchmarks.mixture.Mixture` among them.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from lerobot_dp_plus.notation import Condition, Denoiser, Network, Prediction, per_sample
from lerobot_dp_plus.objectives import DiffusersPath, Diffusion, FlowMatching, Objective
from lerobot_dp_plus.paths import LinearBetaPath, Parametrisation, Path, SquaredCosinePath, StraightPath

PATHS: dict[str, Path] = {
    "straight": StraightPath(),
    "squared_cosine": SquaredCosinePath(),
    "linear_beta": LinearBetaPath(),
}
#: And the tables of diffusers, whose digits are float32's.
ALL_PATHS = PATHS | {
    "diffusers": DiffusersPath(),
    "diffusers_linear": DiffusersPath(num_train_steps=1000, schedule="linear_beta"),
}


class Truth(Protocol):
    """Data whose conditional expectations are known."""

    def ends(self, path: Path, x_t: Tensor, t: Tensor) -> Prediction:
        """E[x₀ | x_t] and E[x₁ | x_t]; t (B,)."""

    def flow(self, path: Path, x_t: Tensor, t: Tensor, u: Tensor) -> Tensor:
        """Where the probability flow carries x at t by u, (B,) each."""


@dataclass(frozen=True)
class Gaussian:
    """Per action dimension mean and standard deviation, each (A,) float64."""

    mean: Tensor
    std: Tensor

    def sample(self, *shape: int) -> Tensor:
        """(*shape, A)."""
        return self.mean + self.std * torch.randn(*shape, self.mean.shape[0], dtype=torch.float64)

    def _variance(self, path: Path, t: Tensor) -> Tensor:
        """Var x_t."""
        return path.alpha(t) ** 2 * self.std**2 + path.sigma(t) ** 2

    def ends(self, path: Path, x_t: Tensor, t: Tensor) -> Prediction:
        """E[x₀ | x_t] and E[x₁ | x_t]; t (B,)."""
        t = per_sample(t, x_t)
        surprise = (x_t - path.alpha(t) * self.mean) / self._variance(path, t)
        return Prediction(path.sigma(t) * surprise, self.mean + path.alpha(t) * self.std**2 * surprise)

    def irreducible_loss(self, path: Path, kind: Parametrisation, t: Tensor) -> Tensor:
        """Var[target | x_t], (B, A): given x_t, the target is an affine function of x₁, whose variance is s²σ²/Var x_t."""
        t = t[:, None]
        a, b = path.velocity_weights(t)
        spread = {"epsilon": path.alpha(t), "x1": path.sigma(t), "v": a * path.sigma(t) - b * path.alpha(t)}[kind]
        return spread**2 * self.std**2 / self._variance(path, t)

    def flow(self, path: Path, x_t: Tensor, t: Tensor, u: Tensor) -> Tensor:
        """Where the probability flow carries x at t by u, (B,) each: it keeps (x − α·μ)/√Var x_t."""
        t, u = per_sample(t, x_t), per_sample(u, x_t)
        score = (x_t - path.alpha(t) * self.mean) / self._variance(path, t).sqrt()
        return path.alpha(u) * self.mean + self._variance(path, u).sqrt() * score

    def flow_map(self, path: Path, noise: Tensor) -> Tensor:
        """From t = 0 to t = 1."""
        return self.flow(path, noise, torch.zeros(1, dtype=noise.dtype), torch.ones(1, dtype=noise.dtype))


class ExactNetwork(Network):
    """Returns the conditional expectation of the target; reads the time off what it is fed."""

    def __init__(self, truth: Truth, path: Path, kind: Parametrisation):
        super().__init__()
        self.truth, self.path, self.kind = truth, path, kind

    def condition(self, observation: Tensor) -> Condition:
        return None

    def forward(self, x_t: Tensor, time: Tensor, condition: Condition) -> Tensor:
        t = self.clock(time)
        return self.path.target(self.kind, *self.truth.ends(self.path, x_t, t), t)

    def clock(self, time: Tensor) -> Tensor:
        """Network time -> t."""
        return time / 1000 if isinstance(self.path, StraightPath) else 1 - (time + 1) / self.path.num_train_steps


class ExactJumps(ExactNetwork):
    """The same told where a jump ends: the ends of the chord from x_t to where the flow really leads."""

    def forward(self, x_t: Tensor, time: Tensor, condition: Condition, end: Tensor | None = None) -> Tensor:
        if end is None:
            return super().forward(x_t, time, condition)
        t, u = self.clock(time), self.clock(end)
        arrival = self.truth.flow(self.path, x_t, t, u)
        # Two equations for two ends: x_t = α_t·x₁ + σ_t·x₀ and x_u = α_u·x₁ + σ_u·x₀.
        alpha_t, sigma_t, alpha_u, sigma_u = (
            per_sample(weight, x_t)
            for weight in (self.path.alpha(t), self.path.sigma(t), self.path.alpha(u), self.path.sigma(u))
        )
        determinant = alpha_u * sigma_t - alpha_t * sigma_u
        x0 = (alpha_u * x_t - alpha_t * arrival) / determinant
        x1 = (sigma_t * arrival - sigma_u * x_t) / determinant
        chord = self.path.target(self.kind, x0, x1, t)
        return torch.where(per_sample(u > t, x_t), chord, super().forward(x_t, time, condition))


def objectives() -> list[Objective]:
    """Every path × parametrisation an objective offers, without clipping."""
    diffusions = [
        Diffusion(prediction=kind, path=PATHS[name], clip_range=None)
        for name in ("squared_cosine", "linear_beta")
        for kind in ("epsilon", "x1", "v")
    ]
    return [*diffusions, FlowMatching(), FlowMatching(prediction="x1")]


def describe(objective: Objective) -> str:
    """A test's name."""
    return f"{type(objective.sampling_path).__name__}-{objective.prediction}"


def exact_denoiser(truth: Truth, path: Path, kind: Parametrisation) -> Denoiser:
    """Through the objective where one offers the pair, else through the path's conversion alone."""
    network = ExactNetwork(truth, path, kind)
    if not isinstance(path, StraightPath):
        return Diffusion(prediction=kind, path=path, clip_range=None).denoiser(network, None)
    if kind != "epsilon":
        return FlowMatching(prediction=kind).denoiser(network, None)
    return lambda x_t, t: path.ends(kind, network(x_t, path.network_time(t), None), x_t, t)
