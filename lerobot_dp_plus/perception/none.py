"""Nothing is read off the pictures."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from lerobot_dp_plus.perception.base import Perception


@Perception.register_subclass("none")
@dataclass(frozen=True)
class NoPerception(Perception):
    """States are what the robot measures, and pictures reach the network as features, if there are any."""

    def estimates(self, state_dims: Mapping[str, int]) -> tuple[str, ...]:
        return ()

    @property
    def pictures(self) -> int:
        return 0

    def check(self, state_dims: Mapping[str, int], cameras: Mapping[str, tuple[int, ...]], *, crops: bool) -> None:
        pass

    def build(self, see: nn.Module, width: int, state_dims: Mapping[str, int]) -> None:
        return None
