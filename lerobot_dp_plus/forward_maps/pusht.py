"""The controller that moves PushT's agent."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from lerobot_dp_plus.forward_maps.base import ForwardMap
from lerobot_dp_plus.notation import Scene
from lerobot_dp_plus.units import ACTION

#: gym_pusht: ten sub-steps of 0.01 s a control step, acceleration 100 (a − x) − 20 v.
SUBSTEPS, DT, K_P, K_V = 10, 0.01, 100.0, 20.0
STATE = "observation.state"


@ForwardMap.register_subclass("pusht")
@dataclass(frozen=True)
class PushT(ForwardMap):
    """v ← v + Δt (k_p (a − x) − k_v v), x ← x + Δt v: gym_pusht's controller, exactly.

    The agent is kinematic, so it goes there whatever it touches. Positions are therefore linear in the actions. Its
    velocity now follows from its last two positions and the action between them. Where that action is not known, as at
    the start of an episode, the agent is taken to be at rest.
    """

    @property
    def substeps(self) -> int:
        return SUBSTEPS

    def check(self, action_dim: int, states: dict[str, int], n_obs_steps: int, observation_stride: int) -> None:
        if action_dim != 2 or states.get(STATE) != 2:
            raise ValueError(
                f"forward.type = pusht: it needs actions of 2 dimensions and {STATE} of 2, PushT's agent; this policy has "
                f"{action_dim} and {states.get(STATE, 0)}. Legal is forward.type = identity"
            )
        if n_obs_steps < 2 or observation_stride != 1:
            raise ValueError(
                f"forward.type = pusht: the agent's velocity follows from its last two positions, and n_obs_steps = "
                f"{n_obs_steps}, observation_stride = {observation_stride}; it needs at least 2, and 1"
            )

    def coordinates(self, action_dim: int) -> tuple[int, ...]:
        return 0, 1

    def gains(self, length: int, scene: Scene) -> Tensor:
        return law(length)[1]

    def start(self, actions: Tensor, scene: Scene) -> Tensor:
        at = scene.states[STATE][:, -2:, None].to(actions.dtype)  # (B, T, 1, 2)
        free, _ = law(actions.shape[2])  # (S, 2)
        free = free.to(actions.device, actions.dtype)
        here = at[:, -1]
        velocity = torch.zeros_like(here)
        if ACTION in scene.states:
            (from_x, from_v), (to_x, to_v), (by_a, to_a) = one_step()
            last = scene.states[ACTION][:, -1:].to(actions.dtype)
            before = (here - from_x * at[:, 0] - by_a * last) / from_v
            velocity = to_x * at[:, 0] + to_v * before + to_a * last
        return (free[:, :1] * here + free[:, 1:] * velocity)[:, None]


def one_substep() -> tuple[Tensor, Tensor]:
    """What position and velocity (2, 2), and the action (2,), make of position and velocity in Δt; float64."""
    move = torch.tensor([[1 - DT * DT * K_P, DT * (1 - DT * K_V)], [-DT * K_P, 1 - DT * K_V]], dtype=torch.float64)
    return move, torch.tensor([DT * DT * K_P, DT * K_P], dtype=torch.float64)


@cache
def law(length: int) -> tuple[Tensor, Tensor]:
    """What position and velocity (S, 2), and L actions (S, L), add to each of S positions; float64."""
    move, push = one_substep()
    free, gain = torch.eye(2, dtype=torch.float64), torch.zeros(2, length, dtype=torch.float64)
    frees, gains = [], []
    for step in range(length):
        for _ in range(SUBSTEPS):
            free, gain = move @ free, move @ gain
            gain[:, step] += push
            frees.append(free[0])
            gains.append(gain[0].clone())
    return torch.stack(frees), torch.stack(gains)


@cache
def one_step() -> tuple[tuple[float, float], tuple[float, float], tuple[float, float]]:
    """One control step: what x and v add to x, what they add to v, and what the action adds to x and to v."""
    move, push = one_substep()
    free, gain = torch.eye(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    for _ in range(SUBSTEPS):
        free, gain = move @ free, move @ gain + push
    (xx, xv), (vx, vv) = free.tolist()
    x, v = gain.tolist()
    return (xx, xv), (vx, vv), (x, v)
