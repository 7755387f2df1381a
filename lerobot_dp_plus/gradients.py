"""Gradients in every gradient or inference mode of torch, and in code that is compiled."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from lerobot_dp_plus.notation import Denoiser, Energy, Prediction, Scene, per_sample


def gradient(energy: Energy, chunks: Tensor, scene: Scene) -> Tensor:
    """∂E/∂chunks, (B, N, H, A)."""
    if torch.compiler.is_compiling():  # elsewhere its first use would import for seconds while a robot waits
        return torch.func.grad(lambda each: energy(each, scene).sum())(chunks)
    with torch.inference_mode(False), torch.enable_grad():
        # Tensors made in inference mode cannot be differentiated, but copies can.
        obstacles = None if scene.obstacles is None else scene.obstacles.clone()
        scene = replace(scene, states={key: value.clone() for key, value in scene.states.items()}, obstacles=obstacles)
        chunks = chunks.detach().clone().requires_grad_()
        return torch.autograd.grad(energy(chunks, scene).sum(), chunks)[0]


def finite_gradient(energy: Energy, chunks: Tensor, scene: Scene) -> Tensor:
    """The same, of an energy that is followed while chunks are drawn.

    Raises:
        FloatingPointError: the gradient is not finite. What is compiled cannot say so: there its chunks will be NaN.
    """
    found = gradient(energy, chunks, scene)
    if not torch.compiler.is_compiling() and not found.isfinite().all():
        raise FloatingPointError("the gradient of the energies is not finite; guidance cannot follow it")
    return found


def vector_jacobian(
    denoise: Denoiser,
    x_t: Tensor,
    t: Tensor,
    pull: Callable[[Tensor], Tensor],
    steps: int,
    size: Tensor,
) -> tuple[Prediction, Tensor]:
    """The prediction at x_t, and Σ size·Jᵀ·pull(x₁) over so many steps, x₁ moved after each; J = ∂x₁/∂x_t, size (B,)."""
    if torch.compiler.is_compiling():

        def ends(x: Tensor) -> tuple[Tensor, Tensor]:
            said = denoise(x, t)
            return said.x1, said.x0

        x1, back, x0 = torch.func.vjp(ends, x_t, has_aux=True)  # type: ignore[misc]
        return Prediction(x0, x1), _moves(x1, lambda pulled: back(pulled)[0], pull, steps, size)
    with torch.inference_mode(False), torch.enable_grad():
        leaf = x_t.detach().clone().requires_grad_()
        said = denoise(leaf, t.clone())
        x1 = said.x1.detach()
        moves = _moves(x1, lambda pulled: torch.autograd.grad(said.x1, leaf, pulled, True)[0], pull, steps, size)
    return Prediction(said.x0.detach(), x1), moves


def _moves(
    x1: Tensor, back: Callable[[Tensor], Tensor], pull: Callable[[Tensor], Tensor], steps: int, size: Tensor
) -> Tensor:
    moves = torch.zeros_like(x1)
    for _ in range(steps):
        pulled = back(pull(x1 - moves))
        moves = moves + per_sample(size, pulled) * pulled
    return moves
