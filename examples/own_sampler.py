"""A sampler of your own: the midpoint rule. `python examples/own_sampler.py` draws actions with it."""

from dataclasses import dataclass

import torch

from lerobot_dp_plus import load_policy
from lerobot_dp_plus.notation import per_sample
from lerobot_dp_plus.samplers import Sampler


@Sampler.register_subclass("midpoint")
@dataclass(frozen=True)
class Midpoint(Sampler):
    """y_u = y_t + (τ_u − τ_t)·v(y_m), m half way from t to u, y_m = y_t + (τ_m − τ_t)·v(y_t), v = x₁ − x₀.

    As `heun`, where every path is straight: y = x/(α + σ), τ = α/(α + σ). Cost: 2·num_steps − 1 calls.
    """

    order = 2

    @property
    def num_calls(self):
        return 2 * self.num_steps - 1

    def times(self, path, like):
        return path.smooth_grid(self.num_steps, like)

    def step(self, denoise, path, x, t, u, memory, generator):
        middle, start = (t + u) / 2, denoise(x, t)
        half_way = denoise(path.interpolate(start.x0, start.x1, middle), middle)
        (alpha_t, sigma_t), (alpha_u, sigma_u) = ((path.alpha(time), path.sigma(time)) for time in (t, u))
        scale = (alpha_u + sigma_u) / (alpha_t + sigma_t)
        span = alpha_u - alpha_t * scale  # τ_u − τ_t in units of x at u
        return per_sample(scale, x) * x + per_sample(span, x) * (half_way.x1 - half_way.x0), None


if __name__ == "__main__":
    policy = load_policy("hub_cards/pusht_state", sampler={"type": "midpoint", "num_steps": 5}).policy
    torch.manual_seed(0)
    seen = {"observation.state": torch.zeros(1, 2, 2), "observation.environment_state": torch.zeros(1, 2, 16)}
    print(f"{policy.config.sampler}: {policy.sample(seen)[0, 0, :3]}")
