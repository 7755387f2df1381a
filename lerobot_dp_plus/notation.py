"""Symbols, shapes and the few types that every room shares.

One clock in the whole package: t = 0 is noise, t = 1 is data.

    x0      noise,             (B, H, A)
    x1      data (an action chunk, normalised), (B, H, A)
    x_t     a point on the path between them,   (B, H, A)
    t, u    times in [0, 1], t < u while sampling; (B,), or (B, H) where each step of a chunk has a time of its own

    B batch, H horizon, A action dimension, T_o observation steps, C width of a token, S tokens, N candidates
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
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


# What is observed

#: The kinds of tokens: one vector for each observation step, places in a picture, words of an instruction.
STEPS, PATCHES, WORDS = "steps", "patches", "words"


class Tokens(NamedTuple):
    """What one encoder makes of an observation: a span of tokens of one kind.

    Encoders differ in width, so an observation is a tuple of spans. Networks project each span to their own width.

    Args:
        values: (B, S, C).
        valid: which tokens are there, (B, S) bool; None if all of them are.
        kind: `STEPS`, `PATCHES` or `WORDS`.
    """

    values: Tensor
    valid: Tensor | None = None
    kind: str = STEPS


class Span(NamedTuple):
    """The shape of the tokens of one kind: how many, and how wide."""

    length: int
    width: int


#: What a network keeps of the observation for all its calls within one chunk. Opaque to everybody else.
type Condition = Any


class Network(nn.Module, ABC):
    """The predictor: two verbs, so that what depends only on the observation is computed once per chunk.

    It computes in the type of its weights. Observations and x_t may come in any floating type, times in float32 or more.
    """

    #: The kinds of tokens it reads.
    reads: ClassVar[frozenset[str]] = frozenset({STEPS})

    @abstractmethod
    def condition(self, observation: Sequence[Tokens]) -> Condition:
        """Digest an observation, the spans of every encoder, into whatever `forward` needs of it."""

    @abstractmethod
    def forward(self, x_t: Tensor, time: Tensor, condition: Condition, end: Tensor | None = None) -> Tensor:
        """Predict from x_t (B, H, A), the path's network time (B,) and a condition; returns (B, H, A).

        Networks over tokens of actions also take a time for every step of the chunk, (B, H).
        `end` (B,) is the network time a jump leads to; with end = time the prediction is the one without it.
        """

    def prepare(self, times: Tensor, condition: Condition) -> Sequence[Callable[[Tensor], Tensor]]:
        """For every network time in (K,), shared by the batch, the function x_t -> forward(x_t, time, condition).

        For inference: a network computes here, for all times at once, what does not depend on x_t.
        """

        def at(time: Tensor) -> Callable[[Tensor], Tensor]:
            return lambda x_t: self(x_t, time.expand(x_t.shape[0]), condition)

        return [at(time) for time in times]


def map_rows(condition: Condition, change: Callable[[Tensor], Tensor]) -> Condition:
    """A condition with `change` applied to each of its tensors (B, ...); tuples and lists of such are kept."""
    if isinstance(condition, Tensor):
        return change(condition)
    if isinstance(condition, tuple | list):
        parts = [map_rows(part, change) for part in condition]
        return type(condition)(*parts) if hasattr(condition, "_fields") else type(condition)(parts)
    return condition


def take_rows(condition: Condition, count: int) -> Condition:
    """The first `count` samples of a condition."""
    return map_rows(condition, lambda rows: rows[:count])


def repeat_rows(condition: Condition, count: int) -> Condition:
    """A condition of B samples for B·count chunks: those of one sample follow each other."""
    return condition if count == 1 else map_rows(condition, lambda rows: rows.repeat_interleave(count, 0))


def tile_rows(condition: Condition, count: int) -> Condition:
    """A condition of B samples for count·B chunks: the whole batch comes once after another."""
    return condition if count == 1 else map_rows(condition, lambda rows: torch.cat([rows] * count))


# What is proposed and judged


class Candidates(NamedTuple):
    """Chunks proposed for the same observations, and what is known of each.

    Args:
        chunks: (B, N, H, A), normalised.
        energies: by name, (B, N) each, lower is better; those that were asked for.
        log_prob: log-density of each chunk, (B, N), where the head can tell.
        mode: which of several ways a chunk belongs to, (B, N) int64, where somebody has told them apart.
        noise: what each was made from, (B, N, H, A); None if the head uses none.
    """

    chunks: Tensor
    energies: Mapping[str, Tensor] = {}
    log_prob: Tensor | None = None
    mode: Tensor | None = None
    noise: Tensor | None = None

    def at(self, index: Tensor) -> "Candidates":
        """The candidate of each observation that `index` (B,) names, still with an axis for candidates, of length 1."""
        rows = torch.arange(len(index), device=index.device)

        def pick(value: Tensor | None) -> Tensor | None:
            return None if value is None else value[rows, index][:, None]

        energies = {name: value[rows, index][:, None] for name, value in self.energies.items()}
        chunks = self.chunks[rows, index][:, None]
        return Candidates(chunks, energies, pick(self.log_prob), pick(self.mode), pick(self.noise))

    def from_step(self, step: int) -> "Candidates":
        """The same with the chunks' steps before `step` left out."""
        return self._replace(chunks=self.chunks[:, :, step:])


@dataclass(frozen=True)
class Scene:
    """What is known of the world when chunks are judged, in the dataset's units.

    Args:
        states: what was observed, by name, each (B, T, D), the newest last.
        now: the row of a chunk that is executed at the current step; rows before it are past.
        executed: how many rows from there on are executed before the policy looks again.
    """

    states: Mapping[str, Tensor] = field(default_factory=dict)
    now: int = 0
    executed: int = 1


#: How bad each chunk is, (B, N), lower is better, from chunks (B, N, H, A) in the dataset's units and the scene.
type Energy = Callable[[Tensor, Scene], Tensor]


def per_sample(value: Tensor, like: Tensor) -> Tensor:
    """Append singleton axes to a tensor (B,) or (B, H) until it broadcasts against `like` (B, H, ...)."""
    return value.reshape(value.shape + (1,) * (like.dim() - value.dim()))
