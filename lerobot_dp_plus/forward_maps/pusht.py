"""The controller that moves PushT's agent."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from lerobot_dp_plus.forward_maps.base import ForwardMap, Matrix
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

    def gains(self, length: int, scene: Scene) -> Matrix:
        return law(length)[1]

    def start(self, actions: Tensor, scene: Scene) -> Tensor:
        at = scene.states[STATE][:, -2:, None].to(actions.dtype)  # (B, T, 1, 2)
        free, here = actions.new_tensor(law(actions.shape[2])[0]), at[:, -1]  # (S, 2)
        velocity = torch.zeros_like(here)
        if ACTION in scene.states:
            (from_x, from_v, by_a), (to_x, to_v, to_a) = one_step()
            last = scene.states[ACTION][:, -1:].to(actions.dtype)
            before = (here - from_x * at[:, 0] - by_a * last) / from_v
            velocity = to_x * at[:, 0] + to_v * before + to_a * last
        return (free[:, :1] * here + free[:, 1:] * velocity)[:, None]


#: x and v after Δt, linear in x, v and the action a: (of x, of v, of a) each.
NEXT_X = (1 - DT * DT * K_P, DT * (1 - DT * K_V), DT * DT * K_P)
NEXT_V = (-DT * K_P, 1 - DT * K_V, DT * K_P)


@cache
def law(length: int) -> tuple[Matrix, Matrix]:
    """What position and velocity now (S, 2), and L actions (S, L), add to each of S positions."""
    # Each a row of 2 + L numbers: how x and v depend on x, v and the actions.
    x, v = [1.0, 0.0, *[0.0] * length], [0.0, 1.0, *[0.0] * length]
    rows: list[list[float]] = []
    for step in range(length):
        for _ in range(SUBSTEPS):
            told = [float(index == 2 + step) for index in range(2 + length)]
            x, v = ([a * p + b * q + c * r for p, q, r in zip(x, v, told, strict=True)] for a, b, c in (NEXT_X, NEXT_V))
            rows.append(x)
    return tuple(tuple(row[:2]) for row in rows), tuple(tuple(row[2:]) for row in rows)


def one_step() -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """x and v after one control step, linear in x, v and the action: (of x, of v, of a) each."""
    x, v = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)
    for _ in range(SUBSTEPS):
        told = zip(x, v, (0.0, 0.0, 1.0), strict=True)
        x, v = zip(*((_dot(NEXT_X, each), _dot(NEXT_V, each)) for each in told), strict=True)  # type: ignore[assignment]
    return x, v


def _dot(weights: tuple[float, ...], values: tuple[float, ...]) -> float:
    return sum(weight * value for weight, value in zip(weights, values, strict=True))
