"""What every selection offers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import draccus
from torch import Tensor

from lerobot_dp_plus.notation import Candidates


class Asking(NamedTuple):
    """What a person is to decide before the selection chooses: the mode, for some observations.

    Args:
        rows: for which observations, (B,) bool.
        timeout_s: how long to wait for each answer, in seconds.
        view: left, right, top and bottom of what a picture shows, in the dataset's units; empty if nobody knows.
    """

    rows: Tensor
    timeout_s: float
    view: tuple[float, ...] = ()


@dataclass(frozen=True)
class Selection(draccus.ChoiceRegistry, ABC):
    """Draws `candidates` chunks an observation and names the one to execute."""

    #: Whether a field of it is a selection. The field's type is `Rule`.
    nests: ClassVar[bool] = False

    @property
    @abstractmethod
    def candidates(self) -> int:
        """N, how many chunks are sampled for each observation."""

    @property
    def energies(self) -> tuple[str, ...]:
        """Names of the energies that it asks for."""
        return ()

    @property
    def needs_modes(self) -> bool:
        """Whether it asks for the modes of the candidates: their `mode`, `weights` and `representatives`."""
        return False

    @property
    def holds(self) -> bool:
        """Whether the plan, what the previous chunk planned further, is to be a candidate too, one more than are drawn.

        `choose` is then told where a plan was repeated because nothing was planned there: `tail` is NaN.
        """
        return False

    @property
    def contrast(self) -> str:
        """The checkpoint of another policy whose chunks it asks for, `Candidates.contrast`; empty for none."""
        return ""

    def asking(self, candidates: Candidates, tail: Tensor | None) -> Asking | None:
        """What a person is to decide first; None if nothing. Of those who answer, `choose` then sees that mode alone.

        It is called with what `choose` would see.
        """
        return None

    @abstractmethod
    def choose(self, candidates: Candidates, tail: Tensor | None) -> Tensor:
        """The index of one candidate for each observation, (B,) int64. Their chunks begin at the current step.

        tail (B, L, A), L <= H, is what the previous chunk planned for the first L steps of these chunks. None at first.
        """

    def check(self, chunk_length: int, executed: int) -> None:
        """Raise a ValueError if nothing to choose by is left with `executed` of `chunk_length` steps executed."""


if TYPE_CHECKING:
    Rule = Selection
else:

    class Rule(draccus.ChoiceRegistry):
        """A selection in a field of another one: all that are registered, but those that nest, or there would be no end."""

        @classmethod
        def get_known_choices(cls):
            return {name: kind for name, kind in Selection.get_known_choices().items() if not kind.nests}

        @classmethod
        def get_choice_class(cls, name):
            return cls.get_known_choices()[name]

        @classmethod
        def get_choice_name(cls, subcls):
            return Selection.get_choice_name(subcls)


@dataclass(frozen=True)
class AmongSeveral(Selection, ABC):
    """Chooses among `num_candidates` chunks for each observation, at least two. Cost: the network at batch B·N."""

    num_candidates: int = 16

    def __post_init__(self) -> None:
        if self.num_candidates < 2:
            raise ValueError(
                f"selection.num_candidates = {self.num_candidates}: must be at least 2; for one use selection.type=first"
            )

    @property
    def candidates(self) -> int:
        return self.num_candidates
