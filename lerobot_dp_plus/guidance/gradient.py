"""Follow an energy downhill while sampling."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lerobot_dp_plus.gradients import finite_gradient, vector_jacobian
from lerobot_dp_plus.guidance.base import Guidance, Situation, followed
from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.notation import Denoiser, Prediction


@Guidance.register_subclass("gradient")
@dataclass(frozen=True)
class Gradient(Guidance):
    """x₁ ← x₁ − strength·∇E(x₁), at every call of the network; E is the sum of the axis `energies`.

    Guidance on the predicted clean sample, Chung et al., arXiv 2209.14687. Without the Jacobian of the network, ∇ is in
    the dataset's units: a strength of 1 down a hinge of weight 1 leads to its edge. With it, ∇ is with respect to x_t:

        x₁ ← x₁ − strength·(σ²/α)·Jᵀ∇E(x₁),  J = ∂x₁/∂x_t, everything normalised.

    (σ²/α)·J is the covariance of the data given x_t, so changes follow what the policy knows to vary together. Chunks are
    then drawn from p(x₁)·exp(−strength·E), as far as E is flat over that covariance.

    This is a soft preference, which chunks may still violate. Too large a strength leads away from what was
    demonstrated. A strength of 0 changes nothing, to the last bit.
    Cost: `inner_steps` gradients of the energy per call; with the Jacobian a backward pass of the network for each call.

    Attributes:
        inner_steps: how often the step is taken at every call, E anew each time. With the Jacobian the network's is kept.
        clip: most that one call moves an action, normalised (the data's range is 2 wide). Null for no limit.
        jacobian: whether the Jacobian counts.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"energy"})

    strength: float = 0.05
    inner_steps: int = 1
    clip: float | None = None
    jacobian: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.strength < float("inf"):
            raise ValueError(f"guidance.strength = {self.strength}: must be at least 0")
        at_least("guidance", self, inner_steps=1)
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"guidance.clip = {self.clip}: must be above 0, or null for no limit")

    def wrap(self, denoise: Denoiser, situation: Situation) -> Denoiser:
        world, energy = followed(situation, "gradient")
        if not self.strength:
            return denoise
        count = situation.candidates

        def plain(x_t: Tensor, t: Tensor) -> Prediction:
            prediction = denoise(x_t, t)
            chunks = world.physical(prediction.x1).unflatten(0, (-1, count))
            for _ in range(self.inner_steps):
                chunks = chunks - self.strength * finite_gradient(energy, chunks, world.scene)
            x1 = self._clipped(prediction.x1, world.normalised(chunks.flatten(0, 1)))
            return situation.moved(prediction, x1, x_t, t)

        def with_jacobian(x_t: Tensor, t: Tensor) -> Prediction:
            # The weight is x̂₁'s derivative by the score. The end of the path has no noise, and nothing is moved there.
            weight = situation.path.sigma(t).square() / situation.path.alpha(t).clamp_min(1e-4)

            def pull(x1: Tensor) -> Tensor:
                chunks = world.physical(x1).unflatten(0, (-1, count))
                scale = world.physical(torch.ones_like(x1)) - world.physical(torch.zeros_like(x1))
                return scale * finite_gradient(energy, chunks, world.scene).flatten(0, 1)

            prediction, moves = vector_jacobian(denoise, x_t, t, pull, self.inner_steps, self.strength * weight)
            return situation.moved(prediction, self._clipped(prediction.x1, prediction.x1 - moves), x_t, t)

        return with_jacobian if self.jacobian else plain

    def _clipped(self, before: Tensor, after: Tensor) -> Tensor:
        return after if self.clip is None else before + (after - before).clamp(-self.clip, self.clip)
