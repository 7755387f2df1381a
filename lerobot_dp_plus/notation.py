"""Symbols, shapes and the few types that the whole package shares.

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
#: (mean μ of a reverse step (B, H, A), its variance (B, 1, 1)) -> what is added to μ.
type Shift = Callable[[Tensor, Tensor], Tensor]


class FlowMap(Protocol):
    """A denoiser that also knows where the flow leads. It gives the two ends of the chord from x_t at t to x_u at u.

    x_u = α(u)·x1 + σ(u)·x0. Without u, or at u = t, the chord is the tangent, and both ends are those of the denoiser.
    """

    def __call__(self, x_t: Tensor, t: Tensor, u: Tensor | None = None) -> Prediction:
        """x_t (B, H, A), t and u (B,)."""


#: The kinds of tokens: one vector for each observation step, places in a picture, words of an instruction, which robot it is.
STEPS, PATCHES, WORDS, ROBOT = "steps", "patches", "words", "robot"
#: Where a batch of several robots' data says which robot each sample is of, (B,) int64.
EMBODIMENT = "observation.embodiment"
#: Where a dataset says what its demonstrator looked at, (x, y, half side) as shares of the picture. No policy acts on it.
GAZE = "observation.gaze"


class Tokens(NamedTuple):
    """What one encoder makes of an observation: a span of tokens of one kind.

    Encoders differ in width, so an observation is a tuple of spans. Networks project each span to their own width.

    Args:
        values: (B, S, C).
        valid: which tokens are there, (B, S) bool; None if all of them are.
        kind: `STEPS`, `PATCHES`, `WORDS` or `ROBOT`.
    """

    values: Tensor
    valid: Tensor | None = None
    kind: str = STEPS


#: What stands for "not seen" in the values of tokens. Features and normalised states are seldom there, all at once never.
UNSEEN = -2.0


def unseen(tokens: Sequence[Tokens], rows: Tensor | None = None) -> tuple[Tokens, ...]:
    """The spans of an observation that was not seen; with `rows` (B,) bool, of those samples alone."""

    def dropped(values: Tensor) -> Tensor:
        nothing = torch.full_like(values, UNSEEN)
        return nothing if rows is None else torch.where(rows[:, None, None], nothing, values)

    return tuple(span._replace(values=dropped(span.values)) for span in tokens)


def unsaid(tokens: Sequence[Tokens]) -> tuple[Tokens, ...]:
    """The spans of an observation for which nothing was said: its words are not there."""

    def silent(span: Tokens) -> Tokens:
        there = torch.zeros(span.values.shape[:2], dtype=torch.bool, device=span.values.device)
        return span._replace(values=torch.zeros_like(span.values), valid=there)

    return tuple(silent(span) if span.kind == WORDS else span for span in tokens)


class Span(NamedTuple):
    """The shape of the tokens of one kind: how many, and how wide."""

    length: int
    width: int


#: What a network keeps of the observation for all its calls within one chunk. Opaque to everybody else.
type Condition = Any


class Network(nn.Module, ABC):
    """The predictor. It has two methods, so that what depends only on the observation is computed once per chunk.

    It computes in the type of its weights. Observations and x_t may come in any floating type, times in float32 or more.
    """

    #: The kinds of tokens it reads.
    reads: ClassVar[frozenset[str]] = frozenset({STEPS})

    @abstractmethod
    def condition(self, observation: Sequence[Tokens]) -> Condition:
        """Turn an observation, which holds the spans of every encoder, into what `forward` needs of it."""

    @abstractmethod
    def forward(self, x_t: Tensor, time: Tensor, condition: Condition, end: Tensor | None = None) -> Tensor:
        """Predict from x_t (B, H, A), the path's network time (B,) and a condition; returns (B, H, A).

        Networks over tokens of actions also take a time for every step of the chunk, (B, H).
        `end` (B,) is the network time that a jump leads to. With end = time the prediction is the one without `end`.
        """

    def write(self, text: Tensor, condition: Condition) -> Tensor:
        """Embedded text (B, L, D) -> (B, L, D), each place having seen the condition and what stands before it.

        Only networks that say so in their config (`writes`) can.
        """
        raise TypeError(f"{type(self).__name__} goes on with no text")

    def prepare(self, times: Tensor, condition: Condition) -> Sequence[Callable[[Tensor], Tensor]]:
        """One function x_t -> forward(x_t, time, condition) for each network time (K,). The batch shares the times.

        This is for inference. A network computes here, for all times at once, what does not depend on x_t.
        """

        def at(time: Tensor) -> Callable[[Tensor], Tensor]:
            return lambda x_t: self(x_t, time.expand(x_t.shape[0]), condition)

        return [at(time) for time in times]


def map_rows(condition: Condition, change: Callable[[Tensor], Tensor]) -> Condition:
    """A condition with `change` applied to each of its tensors (B, ...). Tuples and lists of tensors are kept."""
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
    """A condition of B samples for B·count chunks. The chunks of one sample follow each other."""
    return condition if count == 1 else map_rows(condition, lambda rows: rows.repeat_interleave(count, 0))


def tile_rows(condition: Condition, count: int) -> Condition:
    """A condition of B samples for count·B chunks. The whole batch is repeated `count` times."""
    return condition if count == 1 else map_rows(condition, lambda rows: torch.cat([rows] * count))


def join_rows(first: Condition, second: Condition) -> Condition:
    """A condition with the samples of both, which are of the same network and the same kind of observation."""
    if isinstance(first, Tensor):
        return torch.cat([first, second])
    if isinstance(first, tuple | list):
        parts = [join_rows(*pair) for pair in zip(first, second, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)
    return first


def entropy(weights: Tensor) -> Tensor:
    """−Σ_k w_k log w_k in nats, (B, K) -> (B,): 0 if one weight has all, log K if K are equal."""
    return torch.special.entr(weights).sum(-1)


class Candidates(NamedTuple):
    """Chunks proposed for the same observations, and what is known of each.

    Args:
        chunks: (B, N, H, A), normalised.
        energies: those that were asked for, by name; each (B, N), lower is better.
        log_prob: log-density of each chunk, (B, N); None if the head cannot compute it.
        mode: number of the mode that each chunk is of, (B, N) int64, or of the reading until modes are told; None if neither.
        noise: the noise that each chunk was made from, (B, N, H, A); None if the head uses none.
        weights: share of each of K modes, (B, K), the heaviest first; None if the modes were not told apart. An absent mode
            has the weight 0.
        representatives: for each mode the index of the chunk in its middle, (B, K) int64; None likewise.
        contrast: M chunks of another policy for the same observations, (B, M, H, A); None if nobody asked for them.
    """

    chunks: Tensor
    energies: Mapping[str, Tensor] = {}
    log_prob: Tensor | None = None
    mode: Tensor | None = None
    noise: Tensor | None = None
    weights: Tensor | None = None
    representatives: Tensor | None = None
    contrast: Tensor | None = None

    @property
    def ambiguity(self) -> Tensor | None:
        """The entropy of the modes' weights, (B,); 0 where there is one mode."""
        return None if self.weights is None else entropy(self.weights)

    def at(self, index: Tensor) -> "Candidates":
        """For each observation, the candidate that `index` (B,) names. The axis of candidates stays, with length 1."""
        return self.rows(index[:, None])

    def rows(self, index: Tensor) -> "Candidates":
        """For each observation the candidates that `index` (B, M) names, in its order."""
        rows = torch.arange(len(index), device=index.device)[:, None]

        def pick(value: Tensor | None) -> Tensor | None:
            return None if value is None else value[rows, index]

        energies = {name: value[rows, index] for name, value in self.energies.items()}
        return Candidates(self.chunks[rows, index], energies, pick(self.log_prob), pick(self.mode), pick(self.noise))

    def from_step(self, step: int) -> "Candidates":
        """The same candidates, without the steps of their chunks before `step`."""
        return self._replace(chunks=self.chunks[:, :, step:])


class Forward(Protocol):
    """From actions to where the robot will be, position = start + gains · actions, in the dataset's units."""

    @property
    def substeps(self) -> int:
        """K, positions for each step of a chunk."""

    def coordinates(self, action_dim: int) -> tuple[int, ...]:
        """The dimensions of an action that are told to the coordinates of a position, in order."""

    def gains(self, length: int, scene: "Scene") -> tuple[tuple[float, ...], ...]:
        """What L actions add to each of L·K positions: rows of L numbers, one for each position."""

    def start(self, actions: Tensor, scene: "Scene") -> Tensor:
        """Where the robot would be without the gains, (B, 1 or N, L·K, P), of actions (B, N, L, A)."""

    def positions(self, actions: Tensor, scene: "Scene") -> Tensor:
        """Positions (B, N, L·K, P), in order of time, under the actions (B, N, L, A) from the current step on."""


@dataclass(frozen=True)
class Scene:
    """What is known of the world when chunks are judged, in the dataset's units.

    Args:
        states: what was observed, by name, each (B, T, D), the newest last. `action` is the action that was executed last.
        now: the row of a chunk that is executed at the current step; rows before it are past.
        executed: how many rows, from `now` on, are executed before the policy looks again.
        forward: how actions lead to positions; None if actions are positions.
        obstacles: discs or balls that are seen now, (B or 1, K, P + 1), each [centre…, radius], or (…, 2 P + 1) with a
            velocity per step; None if none are looked for.
        began: the states in which the episodes began, by name, each (B, D); empty if nobody asks, or this is the beginning.
        said: what the processor made of the instructions, as `Words.ids` gives it; None if nobody reads them.
        readings: sentences that each instruction may mean, or one entry for all; empty if they mean what they say.
    """

    states: Mapping[str, Tensor] = field(default_factory=dict)
    now: int = 0
    executed: int = 1
    forward: Forward | None = None
    obstacles: Tensor | None = None
    began: Mapping[str, Tensor] = field(default_factory=dict)
    said: tuple[Tensor, Tensor] | None = None
    readings: Sequence[tuple[str, ...]] = ()

    @property
    def substeps(self) -> int:
        """K, positions for each step of a chunk."""
        return 1 if self.forward is None else self.forward.substeps

    def positions(self, chunks: Tensor) -> Tensor:
        """Where the robot will be under chunks (B, N, H, A): (B, N, S, P), with K positions for each step from now on."""
        ahead = chunks[:, :, self.now :]
        return ahead if self.forward is None else self.forward.positions(ahead, self)

    def elapsed(self, positions: Tensor) -> Tensor:
        """The time of each position (B, N, S, P), in steps of a chunk from now, (S,)."""
        count = positions.shape[2]
        return torch.arange(1, count + 1, dtype=positions.dtype, device=positions.device) / self.substeps


#: (chunks (B, N, H, A) in the dataset's units, the scene) -> how bad each chunk is, (B, N); lower is better.
type Energy = Callable[[Tensor, Scene], Tensor]


def per_sample(value: Tensor, like: Tensor) -> Tensor:
    """Append singleton axes to a tensor (B,) or (B, H) until it broadcasts against `like` (B, H, ...)."""
    return value.reshape(value.shape + (1,) * (like.dim() - value.dim()))
