"""Data x₁ ~ N(μ, s²), independent elements: everything a network, an objective or a sampler should find, in closed form."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lerobot_dp_plus.notation import Condition, Denoiser, Network, Prediction, per_sample
from lerobot_dp_plus.objectives import Diffusion, FlowMatching, Objective
from lerobot_dp_plus.paths import LinearBetaPath, Parametrisation, Path, SquaredCosinePath, StraightPath

PATHS: dict[str, Path] = {
    "straight": StraightPath(),
    "squared_cosine": SquaredCosinePath(),
    "linear_beta": LinearBetaPath(),
}


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

    def output(self, path: Path, kind: Parametrisation, x_t: Tensor, t: Tensor) -> Tensor:
        """What the perfect network returns."""
        x0, x1 = self.ends(path, x_t, t)
        if kind == "v":
            a, b = (per_sample(weight, x_t) for weight in path.velocity_weights(t))
            return a * x1 + b * x0
        return x0 if kind == "epsilon" else x1

    def irreducible_loss(self, path: Path, kind: Parametrisation, t: Tensor) -> Tensor:
        """Var[target | x_t], (B, A): given x_t, the target is an affine function of x₁, whose variance is s²σ²/Var x_t."""
        t = t[:, None]
        a, b = path.velocity_weights(t)
        spread = {"epsilon": path.alpha(t), "x1": path.sigma(t), "v": a * path.sigma(t) - b * path.alpha(t)}[kind]
        return spread**2 * self.std**2 / self._variance(path, t)

    def flow_map(self, path: Path, noise: Tensor) -> Tensor:
        """Where the probability flow carries x at t = 0 by t = 1: it keeps (x − α·μ)/√Var x_t."""
        start, end = torch.zeros(1, dtype=noise.dtype), torch.ones(1, dtype=noise.dtype)
        score = (noise - path.alpha(start) * self.mean) / self._variance(path, start).sqrt()
        return path.alpha(end) * self.mean + self._variance(path, end).sqrt() * score


class ExactNetwork(Network):
    """Returns the conditional expectation of the target; reads the time off what it is fed."""

    def __init__(self, truth: Gaussian, path: Path, kind: Parametrisation):
        super().__init__()
        self.truth, self.path, self.kind = truth, path, kind

    def condition(self, observation: Tensor) -> Condition:
        return None

    def forward(self, x_t: Tensor, time: Tensor, condition: Condition) -> Tensor:
        t = time / 1000 if isinstance(self.path, StraightPath) else 1 - (time + 1) / self.path.num_train_steps
        return self.truth.output(self.path, self.kind, x_t, t)


def objectives() -> list[Objective]:
    """Every path × parametrisation an objective offers, without clipping."""
    diffusions = [
        Diffusion(prediction=kind, path=PATHS[name], clip_range=None)
        for name in ("squared_cosine", "linear_beta")
        for kind in ("epsilon", "x1", "v")
    ]
    return [*diffusions, FlowMatching()]


def describe(objective: Objective) -> str:
    """A test's name."""
    return f"{type(objective.sampling_path).__name__}-{objective.parametrisation}"


def exact_denoiser(truth: Gaussian, path: Path, kind: Parametrisation) -> Denoiser:
    """Through the objective where one offers the pair, else through the path's conversion alone."""
    network = ExactNetwork(truth, path, kind)
    if not isinstance(path, StraightPath):
        return Diffusion(prediction=kind, path=path, clip_range=None).denoiser(network, None)
    if kind == "v":
        return FlowMatching().denoiser(network, None)
    return lambda x_t, t: path.ends(kind, network(x_t, path.network_time(t), None), x_t, t)
