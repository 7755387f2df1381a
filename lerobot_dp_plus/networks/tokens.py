"""The size of networks that read a chunk as tokens."""

from dataclasses import dataclass

from lerobot_dp_plus.networks.base import NetworkConfig


@dataclass(frozen=True)
class TokenNetworkConfig(NetworkConfig):
    """Width, depth and heads of a transformer over patches of actions."""

    dim: int = 256
    depth: int = 6
    num_heads: int = 4
    #: Consecutive actions in one token; fewer tokens cost less.
    patch_size: int = 1

    def __post_init__(self) -> None:
        for name in ("dim", "depth", "num_heads", "patch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"network.{name} = {getattr(self, name)}: must be at least 1")
        if self.dim % self.num_heads:
            raise ValueError(f"network.dim = {self.dim}: must be a multiple of network.num_heads = {self.num_heads}")
        if self.dim % 2 or self.dim < 4:
            raise ValueError(f"network.dim = {self.dim}: must be even and at least 4 for the sinusoidal time embedding")

    @property
    def chunk_multiple(self) -> int:
        return self.patch_size

    def check(self, *, horizon: int) -> None:
        if horizon % self.patch_size:
            legal = [p for p in range(1, horizon + 1) if horizon % p == 0]
            raise ValueError(
                f"network.patch_size = {self.patch_size}: must divide horizon = {horizon}; legal are {legal}"
            )
