"""A person chooses."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.selection.base import Asking, Rule, Selection
from lerobot_dp_plus.selection.lowest_energy import LowestEnergy


@Selection.register_subclass("ask")
@dataclass(frozen=True)
class Ask(Selection):
    """A person chooses the mode, and `otherwise` the chunk in it.

    Where the candidates have several modes, `policy.ask` is called with a `Question`, or if it is None the terminal shows
    one. Where nobody is asked, and where no answer comes in time, `otherwise` chooses among all candidates. So whatever
    the person does, a rule ranks the chunks: a person tells ways apart, and not how well they are done.

    Each observation of a batch is asked about in turn. Meanwhile the robot waits, up to `timeout_s` for each. It is asked
    again at every chunk whose candidates have several modes; with `otherwise.type=hold_mode` only once the mode that was
    chosen is no longer held. Cost: that of `otherwise`, and of telling modes apart.

    Attributes:
        otherwise: the rule that chooses in the mode, and without an answer; it says how many candidates there are.
        at_least: the ambiguity, in nats, from which a person is asked; 0: whenever there are two modes. Two equal modes
            have 0.69, and nine candidates against one 0.33.
        timeout_s: seconds to wait for an answer.
        view: left, right, top and bottom edge of what the camera sees, in the units of a two-dimensional action. Ways are
            then drawn into the picture. PushT's is [0,512,0,512].
    """

    nests: ClassVar[bool] = True

    otherwise: Rule = field(default_factory=LowestEnergy)
    at_least: float = 0.0
    timeout_s: float = 30.0
    view: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.at_least >= 0:
            raise ValueError(f"selection.at_least = {self.at_least}: must be at least 0, in nats")
        if not 0 < self.timeout_s < math.inf:
            raise ValueError(f"selection.timeout_s = {self.timeout_s}: must be a positive number of seconds")
        if len(self.view) not in (0, 4) or not all(map(math.isfinite, self.view)):
            raise ValueError(
                f"selection.view = {list(self.view)}: must be four numbers, left, right, top and bottom, or []"
            )
        if self.otherwise.nests:
            inner = Selection.get_choice_name(type(self.otherwise))
            raise ValueError(f"selection.otherwise.type = {inner}: must be a selection that holds no other")

    @property
    def candidates(self) -> int:
        return self.otherwise.candidates

    @property
    def energies(self) -> tuple[str, ...]:
        return self.otherwise.energies

    @property
    def needs_modes(self) -> bool:
        return True

    @property
    def holds(self) -> bool:
        return self.otherwise.holds

    def asking(self, candidates: Candidates, tail: Tensor | None) -> Asking | None:
        if candidates.weights is None or candidates.ambiguity is None:
            raise ValueError("selection.type = ask: the modes of the candidates were not told")
        several = (candidates.weights > 0).sum(1) > 1
        if self.holds and tail is not None:
            several &= tail.isnan().flatten(1).all(1)
        return Asking(several & (candidates.ambiguity >= self.at_least), self.timeout_s, self.view)

    def choose(self, candidates: Candidates, tail: Tensor | None) -> Tensor:
        return self.otherwise.choose(candidates, tail)

    def check(self, chunk_length: int, executed: int) -> None:
        self.otherwise.check(chunk_length, executed)
