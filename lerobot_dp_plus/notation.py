"""Symbols and shapes shared by every room.

One clock in the whole package: t = 0 is noise, t = 1 is data.

    x0      noise,             (B, H, A)
    x1      data (an action chunk, normalised), (B, H, A)
    x_t     a point on the path between them,   (B, H, A)
    t, u    times in [0, 1], t < u while sampling; (B,) tensors

    B batch, H horizon, A action dimension, T_o observation steps, C observation width, N candidates
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor, nn


class Prediction(NamedTuple):
    """Both ends of the path as the network sees them from x_t; each (B, H, A)."""

    x0: Tensor
    x1: Tensor


#: (x_t: (B, H, A), t: (B,)) -> Prediction
type Denoiser = Callable[[Tensor, Tensor], Prediction]

#: What a network keeps of the observation for all its calls within one chunk. Opaque to everybody else.
type Condition = Any


class Network(nn.Module, ABC):
    """The predictor: two verbs, so that what depends only on the observation is computed once per chunk."""

    @abstractmethod
    def condition(self, observation: Tensor) -> Condition:
        """Digest encoded observations (B, T_o, C) into whatever `forward` needs of them."""

    @abstractmethod
    def forward(self, x_t: Tensor, time: Tensor, condition: Condition) -> Tensor:
        """Predict from x_t (B, H, A), the path's network time (B,) and a condition; returns (B, H, A)."""


def per_sample(value: Tensor, like: Tensor) -> Tensor:
    """Append singleton axes to a (B,) tensor until it broadcasts against `like` (B, ...)."""
    return value.reshape(value.shape + (1,) * (like.dim() - value.dim()))
