"""Denoising diffusion."""

from dataclasses import dataclass, field

from lerobot_dp_plus.objectives.base import DenoisingObjective, Objective, check_clip_range
from lerobot_dp_plus.objectives.times import TimeDensity, UniformTimes
from lerobot_dp_plus.paths import PARAMETRISATIONS, Parametrisation, Path, SquaredCosinePath, VariancePreservingPath


@Objective.register_subclass("diffusion")
@dataclass(frozen=True)
class Diffusion(DenoisingObjective):
    """L = E‖net(x_t, t) − target‖², target ε = x₀, x₁ or v = σ·x₁ − α·x₀, on a variance-preserving path.

    DDPM, arXiv 2006.11239, eq. 14 (ε); Salimans & Ho, arXiv 2202.00512, §4 (x₁, v); Diffusion Policy, arXiv 2303.04137.
    Our clock is t = 1 − (k + 1)/K, and is continuous in training. Our v has the opposite sign of the paper's.
    Cost: one network call per loss.
    """

    gives = frozenset({"denoiser", "diffusion_steps", "kept_noise"})

    prediction: Parametrisation = "x1"
    path: Path = field(default_factory=SquaredCosinePath)
    times: TimeDensity = field(default_factory=UniformTimes)
    clip_range: float | None = 1.0

    def __post_init__(self) -> None:
        if self.prediction not in PARAMETRISATIONS:
            raise ValueError(f"objective.prediction = {self.prediction!r}: legal are {', '.join(PARAMETRISATIONS)}")
        if not isinstance(self.path, VariancePreservingPath):
            raise ValueError(
                f"objective.path = {type(self.path).__name__}: diffusion needs a variance-preserving path, "
                "squared_cosine, linear_beta or diffusers; the straight path belongs to flow_matching"
            )
        check_clip_range(self.clip_range)
