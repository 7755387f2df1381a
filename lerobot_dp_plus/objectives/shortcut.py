"""Shortcut models: one network that knows the flow's direction and where it leads."""

import math
from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor

from lerobot_dp_plus.notation import Condition, FlowMap, Network, Prediction, per_sample, take_rows
from lerobot_dp_plus.objectives.base import DenoisingObjective, Objective, check_clip_range, check_flow_prediction
from lerobot_dp_plus.objectives.times import TimeDensity, UniformTimes
from lerobot_dp_plus.paths import FLOW_PARAMETRISATIONS, Parametrisation, Path, SquaredCosinePath


@Objective.register_subclass("shortcut")
@dataclass(frozen=True)
class Shortcut(DenoisingObjective):
    """One long jump equals two of half its length, X(x_t, t, u) = X(X(x_t, t, m), m, u), m = (t + u)/2.

    A jump is the chord X(x_t, t, u) = α_u·x̂₁ + σ_u·x̂₀, whose two ends explain x_t. The network predicts the data end
    from (x_t, t, u). At u = t the data end is E[x₁ | x_t]. At u = 1 it is the point where the flow arrives. Two chords
    together make one chord. Its data end is

        x̄₁ = (c₁·x̂₁(x_t, t, m) + c₂·x̂₁(x_m, m, u))/(c₁ + c₂),   c₁ = (α_m − α_t·σ_m/σ_t)·σ_u/σ_m,  c₂ = α_u − α_m·σ_u/σ_m

    This is a mean with weights >= 0, so targets stay within the data's range however short a jump is. The loss is

        E‖net(x_t, t, t) − target(x₀, x₁)‖²   on 1 − jump_share of a batch, that of `diffusion` or `flow_matching`
        E‖net(x_t, t, u) − sg target(x̄₀, x̄₁)‖²   on the rest; u − t = 1, ½, … 2/finest equally often, t a multiple of it

    Steps of 1/finest and less are taken with u = t, as DDIM does. Source: Frans et al., arXiv 2410.12557. The paper
    uses the straight path and velocities in place of x₁ (`prediction="v"`). Its targets come from the average of the
    weights instead of the weights themselves.
    Cost: one network call per loss, and two without gradient for jump_share of the batch.
    """

    gives = frozenset({"denoiser", "flow_map"})

    prediction: Parametrisation = field(default="x1", metadata={"choices": FLOW_PARAMETRISATIONS})
    path: Path = field(default_factory=SquaredCosinePath)
    # Times of the part of a batch that makes no jump.
    times: TimeDensity = field(default_factory=UniformTimes)
    clip_range: float | None = 1.0
    # Share of a batch that learns jumps.
    jump_share: float = 0.5
    # Steps of the finest grid: a power of two.
    finest: int = 16

    def __post_init__(self) -> None:
        check_flow_prediction("shortcut", self.prediction)
        if not 0 < self.jump_share < 1:
            raise ValueError(f"objective.jump_share = {self.jump_share}: must be between 0 and 1")
        if self.finest < 2 or self.finest & (self.finest - 1):
            raise ValueError(f"objective.finest = {self.finest}: must be a power of two, 2 or more")
        check_clip_range(self.clip_range)

    def loss(
        self, network: Network, x1: Tensor, condition: Condition, valid: Tensor, generator: Generator | None = None
    ) -> Tensor:
        batch, device = x1.shape[0], x1.device
        x0 = torch.randn(x1.shape, dtype=x1.dtype, device=device, generator=generator)
        # Rounded at random, so that small batches keep the share on average.
        jumps = int(self.jump_share * batch + torch.rand((), device=device, generator=generator).item())
        start, end = self.draw_jumps(jumps, device, generator)
        t = self.times.draw(batch - jumps, device, generator)
        t, u = torch.cat([start, t]).to(x1.dtype), torch.cat([end, t]).to(x1.dtype)
        return self.jump_loss_at(network, x0, x1, t, u, jumps, condition, valid)

    def draw_jumps(self, count: int, device: torch.device, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        """Starts and ends of jumps, each (count,) float32. Lengths come equally often, and so do places on a grid."""
        levels = int(math.log2(self.finest))
        stratum = torch.arange(count, device=device) + torch.rand(count, device=device, generator=generator)
        steps = 2 ** (stratum / max(count, 1) * levels).floor().clamp_max(levels - 1)  # of a grid with this length
        place = (torch.rand(count, device=device, generator=generator) * steps).floor()
        return place / steps, (place + 1) / steps

    def jump_loss_at(
        self,
        network: Network,
        x0: Tensor,
        x1: Tensor,
        t: Tensor,
        u: Tensor,
        jumps: int,
        condition: Condition,
        valid: Tensor,
    ) -> Tensor:
        """Squared error (B, H, A) for given noise and times.

        The first `jumps` rows jump from t to u. In the other rows u = t.
        """
        path = self.path
        x_t = path.interpolate(x0, x1, t)
        output = network(x_t, path.network_time(t), condition, path.network_time(self._shown_end(t, u)))
        if jumps:
            x_jump, t_jump = x_t[:jumps], t[:jumps]
            data = self.two_halves(self.denoiser(network, take_rows(condition, jumps)), x_jump, t_jump, u[:jumps])
            ends = path.with_data(data, x_jump, t_jump)
            x0, x1 = torch.cat([ends.x0, x0[jumps:]]), torch.cat([ends.x1, x1[jumps:]])
        error = output.float() - path.target(self.prediction, x0, x1, t)
        return error.square() * valid[..., None]

    @torch.no_grad()
    def two_halves(self, flow_map: FlowMap, x_t: Tensor, t: Tensor, u: Tensor) -> Tensor:
        """x̄₁ (B, H, A), the data end of the chord from x_t at t to where two jumps of half the length lead."""
        path, middle = self.path, (t + u) / 2
        first = flow_map(x_t, t, middle)
        second = flow_map(path.interpolate(*first, middle), middle, u)
        to_middle, to_end = path.sigma(middle) / path.sigma(t), path.sigma(u) / path.sigma(middle)
        c1 = (path.alpha(middle) - path.alpha(t) * to_middle) * to_end
        c2 = path.alpha(u) - path.alpha(middle) * to_end
        return first.x1 + per_sample(c2 / (c1 + c2), x_t) * (second.x1 - first.x1)

    def denoiser(
        self, network: Network, condition: Condition, *, keep_noise: bool = False, path: Path | None = None
    ) -> FlowMap:
        """(x_t, t, u) -> the ends of the chord to x_u, the data end within `data_bound`; u = t if left out."""
        path = path or self.path

        def jump(x_t: Tensor, t: Tensor, u: Tensor | None = None) -> Prediction:
            end = None if u is None else path.network_time(self._shown_end(t, u))
            output = network(x_t, path.network_time(t), condition, end)
            return self.ends(output, x_t, t, path, keep_noise)

        return jump

    def _shown_end(self, t: Tensor, u: Tensor) -> Tensor:
        """The end that the network is told. It is t for steps of the finest grid, half as long as the shortest jump."""
        return torch.where((u - t) * self.finest < 1.5, t, u)
