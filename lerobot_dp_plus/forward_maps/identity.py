"""Actions are positions."""

from dataclasses import dataclass

from torch import Tensor

from lerobot_dp_plus.forward_maps.base import ForwardMap, Matrix, between, check_dimensions, chosen
from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.notation import Scene
from lerobot_dp_plus.units import ACTION


@ForwardMap.register_subclass("identity")
@dataclass(frozen=True)
class Identity(ForwardMap):
    """p = a, reached on a straight way from the action before: p_{j,k} = a_{j−1} + (k/K)·(a_j − a_{j−1}).

    The way to the first action begins at the action that was executed last. If that is not known, the robot is there
    already.

    Attributes:
        steps_between: K, positions for each step of a chunk. A way that passes through an obstacle is only seen with enough
            of them.
        dimensions: which dimensions of an action are positions; all of them if empty.
    """

    steps_between: int = 4
    dimensions: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        at_least("forward", self, steps_between=1)

    @property
    def substeps(self) -> int:
        return self.steps_between

    def check(self, action_dim: int, states: dict[str, int], n_obs_steps: int, observation_stride: int) -> None:
        check_dimensions("dimensions", self.dimensions, action_dim)

    def coordinates(self, action_dim: int) -> tuple[int, ...]:
        return chosen(self.dimensions, action_dim)

    def gains(self, length: int, scene: Scene) -> Matrix:
        return between(length, self.substeps, ACTION in scene.states)

    def start(self, actions: Tensor, scene: Scene) -> Tensor:
        length = actions.shape[2] * self.substeps
        coordinates = list(self.coordinates(actions.shape[-1]))
        if ACTION not in scene.states:
            return actions.new_zeros(actions.shape[0], 1, length, len(coordinates))
        last = scene.states[ACTION][:, -1:, coordinates].to(actions.dtype)  # (B, 1, P)
        left = [1 - (k + 1) / self.substeps for k in range(self.substeps)] + [0.0] * (length - self.substeps)
        return actions.new_tensor(left)[:, None] * last[:, None]
