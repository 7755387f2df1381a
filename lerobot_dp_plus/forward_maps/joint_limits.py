"""Joints that stop at their limits."""

from dataclasses import dataclass

from torch import Tensor

from lerobot_dp_plus.forward_maps.base import ForwardMap
from lerobot_dp_plus.forward_maps.identity import Identity
from lerobot_dp_plus.notation import Scene


@ForwardMap.register_subclass("joint_limits")
@dataclass(frozen=True)
class JointLimits(Identity):
    """p = min(max(a, low), high), on the straight way of `identity`: the robot goes no further than its joints.

    Attributes:
        low, high: one number for each coordinate of a position; an empty one sets no limit on that side.
    """

    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    def check(self, action_dim: int, states: dict[str, int], n_obs_steps: int, observation_stride: int) -> None:
        super().check(action_dim, states, n_obs_steps, observation_stride)
        count = len(self.coordinates(action_dim))
        for name, limit in (("low", self.low), ("high", self.high)):
            if any(value != value for value in limit):
                raise ValueError(f"forward.{name} = {list(limit)}: NaN is no limit; one that is not there is infinite")
            if limit and len(limit) != count:
                raise ValueError(f"forward.{name} = {list(limit)}: must have {count} numbers, one for each coordinate")
        if self.low and self.high and not all(a < b for a, b in zip(self.low, self.high, strict=True)):
            raise ValueError(
                f"forward.low = {list(self.low)}, forward.high = {list(self.high)}: every low must be below"
            )

    def positions(self, actions: Tensor, scene: Scene) -> Tensor:
        found = super().positions(actions, scene)
        low = found.new_tensor(self.low) if self.low else None
        high = found.new_tensor(self.high) if self.high else None
        return found if low is None and high is None else found.clamp(low, high)
