"""Where an episode ends by how it began and what was said."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lerobot_dp_plus.auxiliary.dynamics.ends import kernel_ridge
from lerobot_dp_plus.auxiliary.dynamics.ends.base import FLOOR, Ends, EndsModel, spread_distance
from lerobot_dp_plus.auxiliary.dynamics.ends.context import NOTHING, WIDTH, Context
from lerobot_dp_plus.auxiliary.dynamics.ends.known import Known
from lerobot_dp_plus.auxiliary.dynamics.weighting import Weighting

#: Different episodes that are kept.
KEPT = 512


@Ends.register_subclass("conditional")
@dataclass(frozen=True)
class Conditional(Ends):
    """d(o) = √(Σ_d w_d ((o_d − μ_d(c)) / s_d)² / Σ_d w_d), c the episode's first observation and its sentence.

    μ(c) is a regression of ends on contexts in closed form, s the spread of what it leaves in episodes that were left out
    (`kernel_ridge.py`). So a coordinate that depends on neither has the mean and spread of `gaussian`, and few episodes
    do not make it sure. It is for goals that vary with the start, "back to where it began", and for goals that are said.
    A window that comes without an episode, as to `policy.propose`, is taken to be the beginning of one.
    Cost: a fit of at most 0.5 s whenever a tenth more episodes are known; in use 512 kernels for an observation.

    Args:
        start, words: whether goals may depend on the first observation, and on the sentence.
    """

    start: bool = True
    words: bool = True

    def __post_init__(self) -> None:
        if not (self.start or self.words):
            raise ValueError(
                "dynamics.ends.start = false and dynamics.ends.words = false: a goal must depend on one of them; without, "
                "dynamics.ends.type=gaussian or mixture"
            )

    @property
    def reads_start(self) -> bool:
        return self.start

    @property
    def reads_words(self) -> bool:
        return self.words

    def check(self, speaks: bool) -> None:
        if not self.start and not speaks:
            raise ValueError(
                "dynamics.ends.start = false: the goal is to depend on the sentence alone, and words.type reads none; legal is "
                "dynamics.ends.start=true, or words.type=ngrams with several instructions"
            )

    def build(self, dim: int) -> "ConditionalEnds":
        return ConditionalEnds(dim, self.start, self.words)


class ConditionalEnds(EndsModel):
    """The episodes of the recording, and the regression of their ends.

    A row of `rows` is an end, a start and a sentence, side by side.
    """

    rows: Tensor
    held: Tensor
    fitted: Tensor
    weights: Tensor
    offset: Tensor
    spread: Tensor
    width: Tensor

    def __init__(self, dim: int, start: bool, words: bool):
        super().__init__()
        self.dim, self.start, self.words = dim, start, words
        self.register_buffer("rows", torch.zeros(KEPT, dim * (1 + start) + WIDTH * words))
        self.register_buffer("held", torch.zeros((), dtype=torch.int64))
        self.register_buffer("fitted", torch.zeros((), dtype=torch.int64))
        self.register_buffer("weights", torch.zeros(KEPT, dim))
        self.register_buffer("offset", torch.zeros(dim))
        self.register_buffer("spread", torch.ones(dim))
        self.register_buffer("width", torch.ones(()))

    @property
    def seen(self) -> Tensor:
        return self.held

    @torch.no_grad()
    def gather(self, last: Tensor, context: Context = NOTHING) -> None:
        parts = [last.float()]
        if self.start:
            assert context.start is not None
            parts.append(context.start.float())
        if self.words:
            parts.append(last.new_zeros(len(last), WIDTH) if context.words is None else context.words)
            if context.words is not None:  # sentences that are hidden say nothing of a goal
                parts = [part[context.words.any(1)] for part in parts]
        # An episode may be met with several sentences: it is one end all the same, or its twin would foretell it.
        key = self.dim * 2 if self.start else self.rows.shape[1]
        if Known(self.rows, self.held, self.fitted, key).add(torch.cat(parts, 1)):
            self._fit(int(self.held))

    def _fit(self, count: int) -> None:
        rows = self.rows[:count].cpu()
        found = kernel_ridge.fit(self._contexts(rows), rows[:, : self.dim])
        self.weights.zero_()
        self.weights[:count] = found.weights.to(self.weights)
        self.offset.copy_(found.offset)
        self.spread.copy_(found.spread)
        self.width.fill_(found.width)

    def _contexts(self, rows: Tensor) -> Context:
        start = rows[:, self.dim : 2 * self.dim] if self.start else None
        return Context(start, rows[:, -WIDTH:] if self.words else None)

    def goal(self, context: Context) -> Tensor:
        """μ(c) of contexts (B, ·), (B, C)."""
        if self.words and context.words is None:
            rows = len(context.start) if context.start is not None else 1
            context = context._replace(words=self.rows.new_zeros(rows, WIDTH))
        fitted = kernel_ridge.Ridge(self.width, self.weights, self.offset, self.spread)  # type: ignore[arg-type]
        return kernel_ridge.predicted(fitted, self._contexts(self.rows), context)

    def distance(self, observation: Tensor, weighting: Weighting, context: Context = NOTHING) -> Tensor:
        goal = self.goal(context)
        goal = goal.reshape(len(goal), *(1,) * (observation.dim() - 2), self.dim)
        return spread_distance(observation - goal, self.spread.clamp_min(FLOOR), weighting).sqrt()
