"""No foresight."""

from collections.abc import Mapping
from dataclasses import dataclass

from lerobot_dp_plus.foresight.base import Foresight


@Foresight.register_subclass("none")
@dataclass(frozen=True)
class NoForesight(Foresight):
    """Nothing is learned about what follows a chunk, and nothing is computed."""

    @property
    def reach(self) -> int:
        return 0

    @property
    def gives(self) -> frozenset[str]:
        return frozenset()

    def check(self, state_dims: Mapping[str, int], cameras: Mapping[str, tuple[int, ...]], action_dim: int) -> None:
        pass

    def build(self, state_dims: Mapping[str, int], action_dim: int) -> None:
        return None
