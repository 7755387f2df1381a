"""Networks small enough for a test, and what they are shown."""

import torch
from torch import Tensor

from lerobot_dp_plus.networks import NetworkConfig
from lerobot_dp_plus.notation import STEPS, Condition, Network, Span, Tokens

HORIZON, ACTION_DIM, OBSERVATION_STEPS, WIDTH = 8, 2, 2, 5


def build(
    config: NetworkConfig,
    *,
    horizon: int = HORIZON,
    action_dim: int = ACTION_DIM,
    observation: dict[str, Span] | None = None,
) -> Network:
    """The network of a config; it is shown states alone unless told otherwise."""
    states = {STEPS: Span(OBSERVATION_STEPS, WIDTH)}
    return config.build(horizon=horizon, action_dim=action_dim, observation=observation or states)


def awake[N: Network](network: N, by: float = 0.2) -> N:
    """A network whose zero-initialised layers have been moved, so that everything matters."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(by * torch.randn_like(parameter))
    return network


def digest(network: Network, states: Tensor) -> Condition:
    """The condition of an observation of states alone, (B, T_o, C)."""
    return network.condition((Tokens(states),))
