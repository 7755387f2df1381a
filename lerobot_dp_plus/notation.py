"""Symbols and shapes shared by every room.

One clock in the whole package: t = 0 is noise, t = 1 is data.

    x0      noise,             (B, H, A)
    x1      data (an action chunk, normalised), (B, H, A)
    x_t     a point on the path between them,   (B, H, A)
    t, u    times in [0, 1], t < u while sampling; (B,) tensors

    B batch, H horizon, A action dimension, T_o observation steps, C observation width, N candidates
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from torch import Tensor, nn


class Prediction(NamedTuple):
    """Both ends of the path as the network sees them from x_t; each (B, H, A)."""

    x0: Tensor
    x1: Tensor


#: (x_t: (B, H, A), t: (B,)) -> Prediction
type Denoiser = Callable[[Tensor, Tensor], Prediction]


class FlowMap(Protocol):
    """A denoiser that also knows where the flow leads: the ends of the chord from x_t at t to x_u at u.

    α(u)·x1 + σ(u)·x0 is x_u. Without u, or at u = t, the chord is the tangent and both ends are the denoiser's.
    """

    def __call__(self, x_t: Tensor, t: Tensor, u: Tensor | None = None) -> Prediction:
        """x_t (B, H, A), t and u (B,)."""


#: What a network keeps of the observation for all its calls within one chunk. Opaque to everybody else.
type Condition = Any


class Network(nn.Module, ABC):
    """The predictor: two verbs, so that what depends only on the observation is computed once per chunk.

    It computes in the type of its weights; observations and x_t may come in any floating type, times in float32 or more.
    """

    @abstractmethod
    def condition(self, observation: Tensor) -> Condition:
        """Digest encoded observations (B, T_o, C) into whatever `forward` needs of them."""

    @abstractmethod
    def forward(self, x_t: Tensor, time: Tensor, condition: Condition, end: Tensor | None = None) -> Tensor:
        """Predict from x_t (B, H, A), the path's network time (B,) and a condition; returns (B, H, A).

        `end` (B,) is the network time a jump leads to; with end = time the prediction is the one without it.
        """

    def foresee(self, times: Tensor, condition: Condition) -> Sequence[Callable[[Tensor], Tensor]]:
        """For every network time in (K,), shared by the batch, the function x_t -> forward(x_t, time, condition).

        For inference: a network computes here, for all times at once, what does not depend on x_t.
        """

        def at(time: Tensor) -> Callable[[Tensor], Tensor]:
            return lambda x_t: self(x_t, time.expand(x_t.shape[0]), condition)

        return [at(time) for time in times]


def take_rows(condition: Condition, count: int) -> Condition:
    """The first `count` samples of a condition: a tensor (B, ...), or tuples and lists of such."""
    if isinstance(condition, Tensor):
        return condition[:count]
    if isinstance(condition, tuple | list):
        return type(condition)(take_rows(part, count) for part in condition)
    return condition


def per_sample(value: Tensor, like: Tensor) -> Tensor:
    """Append singleton axes to a (B,) tensor until it broadcasts against `like` (B, ...)."""
    return value.reshape(value.shape + (1,) * (like.dim() - value.dim()))
