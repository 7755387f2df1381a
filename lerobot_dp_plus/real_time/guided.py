"""Bend the prediction towards the plan."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from lerobot_dp_plus.gradients import vector_jacobian
from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.notation import Denoiser, Prediction, per_sample
from lerobot_dp_plus.paths import Path
from lerobot_dp_plus.real_time.base import SCHEDULES, Move, RealTime, Schedule, soft_mask


@RealTime.register_subclass("guided")
@dataclass(frozen=True)
class Guided(RealTime):
    """x₁ ← x₁ + (1 − τ)·min(β, ((1 − τ)² + τ²)/(τ(1 − τ)))·(α + σ)·Jᵀ·W(Y − x₁), J = ∂x₁/∂x_t, at every call.

    Real-time chunking, arXiv 2506.07339, alg. 1: pseudo-inverse guidance (ΠGDM) towards the plan Y with the
    weights W of a soft mask. The paper's clock is that of the straight path. On every other path τ = α/(α + σ) is the
    time of the straight path with as much noise, and (α + σ) the scale of x_t there.

    Without the Jacobian J = 1, and the whole factor is at most W, so that x₁ never moves past the plan.

    The plan is old: the further the mask reaches, the smoother is the seam, and the less does the robot react. On PushT
    a mask that ends 2 steps after the delay succeeded most.
    Cost: with the Jacobian a backward pass of the network for each call.

    Attributes:
        weight: β, the largest weight. LeRobot's engine calls it max_guidance_weight.
        overlap: steps after the decided ones over which the mask falls to 0.
        schedule: how it falls; see `soft_mask`.
        jacobian: whether the Jacobian counts.
    """

    bends: ClassVar[bool] = True

    weight: float = 5.0
    overlap: int = 2
    schedule: Schedule = "exponential"
    jacobian: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.weight < float("inf"):
            raise ValueError(f"real_time.weight = {self.weight}: must be at least 0")
        at_least("real_time", self, overlap=0)
        if self.schedule not in SCHEDULES:
            raise ValueError(f"real_time.schedule = {self.schedule!r}: legal are {', '.join(SCHEDULES)}")

    @property
    def differentiates(self) -> bool:
        return self.jacobian

    def weights(self, delay: int, left: int) -> tuple[float, ...]:
        return soft_mask(self.schedule, delay, self.overlap, left)

    def wrap(self, denoise: Denoiser, plan: Tensor, weights: Tensor, path: Path, moved: Move) -> Denoiser:
        if not self.weight:
            return denoise
        mask = weights[..., None]

        def strength(t: Tensor) -> tuple[Tensor, Tensor]:
            """(1 − τ)·min(β, …), and α + σ."""
            alpha, sigma = path.alpha(t), path.sigma(t)
            tau = alpha / (alpha + sigma)
            ratio = ((1 - tau).square() + tau.square()) / (tau * (1 - tau)).clamp_min(1e-6)
            return (1 - tau) * ratio.clamp_max(self.weight), alpha + sigma

        def plain(x_t: Tensor, t: Tensor) -> Prediction:
            said, share = denoise(x_t, t), strength(t)[0].clamp_max(1)
            return moved(said, said.x1 + per_sample(share, x_t) * mask * (plan - said.x1), x_t, t)

        def with_jacobian(x_t: Tensor, t: Tensor) -> Prediction:
            share, scale = strength(t)
            said, moves = vector_jacobian(denoise, x_t, t, lambda x1: mask * (x1 - plan), 1, share * scale)
            return moved(said, said.x1 - moves, x_t, t)

        return with_jacobian if self.jacobian else plain
