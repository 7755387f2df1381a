"""What networks that read tokens share: their size, and which tokens are there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lerobot_dp_plus.networks.base import NetworkConfig
from lerobot_dp_plus.notation import Tokens

#: The most actions in one token if the config does not give a number.
PATCH = 8


@dataclass(frozen=True)
class TokenNetworkConfig(NetworkConfig):
    """Width, depth and heads of a transformer over patches of actions."""

    times_of_steps: ClassVar[bool] = True

    dim: int = 256
    depth: int = 6
    num_heads: int = 4
    # Consecutive actions in one token; null takes the most, up to `PATCH`, that divide the horizon. Fewer tokens cost
    # less, and short trainings learn more. On PushT a recipe had 42 successes in 100 with a token for every action, 87
    # with one token.
    patch_size: int | None = None

    def __post_init__(self) -> None:
        for name in ("dim", "depth", "num_heads", "patch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"network.{name} = {getattr(self, name)}: must be at least 1")
        self.check_heads()
        if self.dim % 2 or self.dim < 4:
            raise ValueError(f"network.dim = {self.dim}: must be even and at least 4 for the sinusoidal time embedding")

    def check_heads(self) -> None:
        """Raise a ValueError unless the heads fit the tokens' width."""
        if self.dim % self.num_heads:
            raise ValueError(f"network.dim = {self.dim}: must be a multiple of network.num_heads = {self.num_heads}")

    @property
    def chunk_multiple(self) -> int:
        return PATCH if self.patch_size is None else self.patch_size

    def patch(self, horizon: int) -> int:
        """Actions in one token, for a chunk of `horizon` actions."""
        if self.patch_size is not None:
            return self.patch_size
        return max(patch for patch in range(1, PATCH + 1) if horizon % patch == 0)

    def check(self, *, horizon: int) -> None:
        if horizon % self.patch(horizon):
            legal = [p for p in range(1, horizon + 1) if horizon % p == 0]
            raise ValueError(
                f"network.patch_size = {self.patch_size}: must divide horizon = {horizon}; legal are {legal}"
            )


def valid_of(spans: Sequence[Tokens]) -> Tensor | None:
    """Which tokens of several spans, one after the other, are there, (B, S) bool; None if all are."""
    if all(span.valid is None for span in spans):
        return None
    each = [
        span.values.new_ones(span.values.shape[:2], dtype=torch.bool) if span.valid is None else span.valid
        for span in spans
    ]
    return torch.cat(each, 1)
