"""The heads of the field's baselines over small networks: what the tests of each share."""

from typing import Any

import torch
from small_networks import ACTION_DIM, HORIZON, OBSERVATION_STEPS, WIDTH, awake, digest
from torch import Tensor

from lerobot_dp_plus import heads
from lerobot_dp_plus.guidance import NoGuidance
from lerobot_dp_plus.heads import (
    DerivativeFree,
    Discretised,
    Head,
    Implicit,
    Langevin,
    MixtureDensity,
    Regression,
    Smooth,
    Uniform,
)
from lerobot_dp_plus.networks import DiTConfig, LSTMConfig, NetworkConfig, TransformerConfig, UNet1dConfig
from lerobot_dp_plus.notation import STEPS, Condition, Span
from lerobot_dp_plus.objectives import Objective
from lerobot_dp_plus.samplers import DDIM

SMALL = TransformerConfig(dim=16, depth=1, num_heads=2, patch_size=2)
NETWORKS = [
    SMALL,
    DiTConfig(dim=16, depth=1, num_heads=2),
    UNet1dConfig(down_dims=(8, 16), n_groups=4, time_embed_dim=16),
    LSTMConfig(dim=16, depth=1),
]
OBJECTIVES: list[Any] = [
    Regression(),
    MixtureDensity(num_modes=3, low_noise=False),
    Implicit(counter_examples=8, search=DerivativeFree(samples=32), contrast=Uniform()),
    Implicit(counter_examples=8, search=Smooth(samples=32)),
    Implicit(counter_examples=8, search=Langevin(samples=8, iterations=5)),
    Discretised(num_bins=6),
]


def name_of(part: Any) -> str:
    """A test's name."""
    search = getattr(part, "search", None)
    return type(part).__name__ + (f"-{type(search).__name__}" if search else "")


def head_over(objective: Objective, config: NetworkConfig = SMALL, horizon: int = HORIZON) -> Head:
    """The head of an objective over a network that has left its start, with bins if it has bins."""
    seen = {STEPS: Span(OBSERVATION_STEPS, WIDTH)}
    kind = heads.head_of(objective)
    network = awake(kind.build(objective, config, horizon=horizon, action_dim=ACTION_DIM, observation=seen))
    if isinstance(objective, Discretised):
        network.bins.learn(torch.rand(40, horizon, ACTION_DIM) * 2 - 1)
    return heads.make(network.eval(), objective, DDIM(), NoGuidance())


def states(batch: int = 2) -> Tensor:
    """States, (B, T_o, C)."""
    return torch.randn(batch, OBSERVATION_STEPS, WIDTH)


def conditions(head: Head, seen: Tensor) -> Condition:
    """What the head's network keeps of states (B, T_o, C)."""
    return digest(head.network, seen)
