"""Jumps along a learned flow map."""

from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor

from lerobot_dp_plus.notation import Denoiser, FlowMap
from lerobot_dp_plus.paths import Path, even_grid
from lerobot_dp_plus.samplers.base import Rng, Sampler, Stepped


@Sampler.register_subclass("jump")
@dataclass(frozen=True)
class Jump(Sampler):
    """x_u = α_u·x₁ + σ_u·x₀, the ends of the flow map's chord from x_t at t to x_u at u.

    Multi-step sampling of shortcut models, arXiv 2410.12557 alg. 2, and of flow maps in general, arXiv 2406.07507.
    The result is as exact as the map, in one step as in many. If the map knows the flow only where a jump starts,
    the order is 1, as for `ddim`. Cost: num_steps calls; the sampler is meant for 1 or 2.
    """

    needs = frozenset({"flow_map"})
    order = 1

    def step(self, denoise: Denoiser, path: Path, x: Tensor, t: Tensor, u: Tensor, memory: Any, rng: Rng) -> Stepped:
        x0, x1 = cast(FlowMap, denoise)(x, t, u)
        return path.interpolate(x0, x1, u), None

    def arrive(self, denoise: Denoiser, x: Tensor, t: Tensor, end: Tensor) -> Tensor:
        """The data end of the chord to t = 1."""
        return cast(FlowMap, denoise)(x, t, end).x1

    def times(self, path: Path, like: Tensor) -> Tensor:
        """Even in t on every path: jumps are learned from one point of such a grid to another."""
        return even_grid(self.num_steps, like)
