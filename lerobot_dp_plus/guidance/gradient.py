"""Follow an energy downhill while sampling."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from lerobot_dp_plus.guidance.base import Guidance, Situation
from lerobot_dp_plus.notation import Denoiser, Energy, Prediction, Scene


@Guidance.register_subclass("gradient")
@dataclass(frozen=True)
class Gradient(Guidance):
    """x₁ ← x₁ − strength·∇E(x₁), in the dataset's units, at every call of the network; E is the axis `energy`.

    Guidance on the predicted clean sample, Chung et al., arXiv 2209.14687, without the Jacobian of the network.
    This is a soft preference, which chunks may still violate. Too large a strength leads away from what was
    demonstrated.
    Cost: one gradient of the energy per call, no network call.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"energy"})

    strength: float = 0.05

    def __post_init__(self) -> None:
        if not self.strength >= 0:
            raise ValueError(f"guidance.strength = {self.strength}: must be at least 0")

    def wrap(self, denoise: Denoiser, situation: Situation) -> Denoiser:
        world = situation.world
        if world is None or world.energy is None:
            raise ValueError("guidance.type=gradient follows an energy, and energy.type = none; choose another energy")
        energy = world.energy

        def guided(x_t: Tensor, t: Tensor) -> Prediction:
            prediction = denoise(x_t, t)
            chunks = world.physical(prediction.x1).unflatten(0, (-1, situation.candidates))
            chunks = chunks - self.strength * gradient(energy, chunks, world.scene)
            return situation.moved(prediction, world.normalised(chunks.flatten(0, 1)), x_t, t)

        return guided


def gradient(energy: Energy, chunks: Tensor, scene: Scene) -> Tensor:
    """∂E/∂chunks, (B, N, H, A), in every gradient or inference mode of torch."""
    if torch.compiler.is_compiling():  # elsewhere its first use would import for seconds while a robot waits
        return torch.func.grad(lambda each: energy(each, scene).sum())(chunks)
    with torch.inference_mode(False), torch.enable_grad():
        # Tensors made in inference mode cannot be differentiated, but copies can.
        scene = replace(scene, states={key: value.clone() for key, value in scene.states.items()})
        chunks = chunks.detach().clone().requires_grad_()
        total = energy(chunks, scene).sum()
        return torch.autograd.grad(total, chunks)[0] if total.requires_grad else torch.zeros_like(chunks)
