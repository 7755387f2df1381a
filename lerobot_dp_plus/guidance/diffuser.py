"""Diffuser's guidance: the mean of every reverse step goes downhill."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lerobot_dp_plus.gradients import finite_gradient
from lerobot_dp_plus.guidance.base import Guidance, Situation, followed
from lerobot_dp_plus.notation import Denoiser, Shift


@Guidance.register_subclass("diffuser")
@dataclass(frozen=True)
class Diffuser(Guidance):
    """x_u ~ N(μ − strength·Σ·∇E(μ), Σ), where x_u ~ N(μ, Σ) is the step of the sampler; E is the sum of `energies`.

    Janner et al., arXiv 2205.09991, alg. 1, with E = −J: the classifier guidance of Dhariwal & Nichol, arXiv 2105.05233,
    alg. 1. Everything is normalised, ∇E(μ) too. The last step has no noise, so it is not moved.

    `gradient` asks what E says of the predicted chunk x̂₁, at every call of any sampler. Here E is asked about μ, a chunk
    under the noise of the next level and scaled by α_u. Diffuser trains J on such noisy plans. An energy that knows
    clean chunks alone is right only for the last steps; there Σ is small, so what it can move is little. Steps are
    Σ·∇E, so the strength needed grows with the number of steps.

    Its inpainting of the first state is `fixed`: see `policies/options.with_prefix`. What is fixed is never moved. Here
    what is fixed has the noise of its level on the way, as in training; Diffuser puts it there without noise.

    A strength of 0 changes nothing, to the last bit. It needs a sampler whose steps have a Σ: `ancestral`.
    Cost: a gradient of the energy for each step, no network calls.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"energy", "variance"})

    strength: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.strength < float("inf"):
            raise ValueError(f"guidance.strength = {self.strength}: must be at least 0")

    def wrap(self, denoise: Denoiser, situation: Situation) -> Denoiser:
        return denoise

    def shift(self, situation: Situation) -> Shift | None:
        world, energy = followed(situation, "diffuser")
        if not self.strength:
            return None

        def downhill(mean: Tensor, variance: Tensor) -> Tensor:
            chunks = world.physical(mean).unflatten(0, (-1, situation.candidates))
            scale = world.physical(torch.ones_like(mean)) - world.physical(torch.zeros_like(mean))
            slope = scale * finite_gradient(energy, chunks, world.scene).flatten(0, 1)
            return -self.strength * variance * slope

        return downhill
