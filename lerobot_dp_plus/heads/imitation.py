"""How well a denoiser knows chunks: the error of what it says of them under noise."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from lerobot_dp_plus.heads.fixed_noise import fixed_noise
from lerobot_dp_plus.notation import Denoiser
from lerobot_dp_plus.paths import Path

#: The end of the path whose error counts.
End = Literal["x0", "x1"]


def imitation_energy(
    denoise: Denoiser, path: Path, times: Sequence[Tensor], chunks: Tensor, valid: Tensor, end: End = "x0"
) -> Tensor:
    """E = mean ‖x̂₀(x_t, t) − x₀‖² over given times and fixed noises x₀, x_t = α·x₁ + σ·x₀, of chunks x₁; (B, N).

    This is the loss of denoising (DDPM, arXiv 2006.11239, eq. 14) as a figure of one chunk. It bounds −log p, up to
    weights and a constant (variational diffusion models, arXiv 2107.00630). Noise and times are common to all
    chunks, so that differences between chunks have little of the noise in them. The mean is also over the actions
    that count. So 0 is perfect, and 1 is what a network gets that always says 0.
    With `end` = "x1" it is ‖x̂₁ − x₁‖², which weighs small noise less: by (σ/α)².
    Cost: as many calls as times.

    Args:
        denoise: of all B·N chunks; it must not clip the data.
        times: each (B·N,) with equal entries.
        chunks: (B, N, H, A); differentiable in them.
        valid: the actions that count, (B, H).
    """
    x1 = chunks.flatten(0, 1)
    counted = valid.repeat_interleave(chunks.shape[1], 0)[..., None]  # (B·N, H, 1)
    total = x1.new_zeros(len(x1))
    for t, x0 in zip(times, fixed_noise((len(times), *x1.shape[1:]), x1), strict=True):
        said = denoise(path.interpolate(x0.expand_as(x1), x1, t), t)
        error = said.x0 - x0 if end == "x0" else said.x1 - x1
        total = total + (error.square() * counted).sum((1, 2))
    count = (counted.sum((1, 2)) * x1.shape[2]).clamp_min(1)
    return (total / (len(times) * count)).unflatten(0, chunks.shape[:2])
