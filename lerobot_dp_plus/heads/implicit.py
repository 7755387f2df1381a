"""An energy over chunks, and chunks found where it is low."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from lerobot_dp_plus.heads.base import NOTHING, Given, Head, all_valid, decided
from lerobot_dp_plus.heads.contrasting import Contrast, Near
from lerobot_dp_plus.heads.search import Search, Smooth, drawn
from lerobot_dp_plus.legal import at_least, positive
from lerobot_dp_plus.notation import Candidates, Condition, map_rows, repeat_rows
from lerobot_dp_plus.objectives import Objective


@Objective.register_subclass("implicit")
@dataclass(frozen=True)
class Implicit(Objective):
    """An energy that is lower for what was demonstrated than for counter-examples ã_j (`contrasting.py`).

    Implicit behavioural cloning, Florence et al., arXiv 2109.00137. The paper's actions are single, and its counter-examples
    uniform; here E is of a whole chunk, so by default they are near to it. Its second variant trains on counter-examples of
    Langevin dynamics; here that is a way to search alone.
    Cost: about 2·`counter_examples` network calls per loss.
    """

    head: ClassVar[str] = "implicit"

    # Counter-examples for each chunk.
    counter_examples: int = 16
    # What counter-examples are, and the loss that goes with them.
    contrast: Contrast = field(default_factory=Near)
    # How chunks of low energy are found. It can be switched on a trained policy.
    search: Search = field(default_factory=Smooth)
    # Largest absolute value of an action, normalised: of counter-examples, and of what is found.
    clip_range: float = 1.0

    def __post_init__(self) -> None:
        at_least("objective", self, counter_examples=1)
        positive("objective", self, "clip_range")

    @property
    def data_bound(self) -> float:
        return self.clip_range


@dataclass(frozen=True, eq=False)
class ImplicitHead(Head):
    """E(o, a) is the mean of what the network says of a chunk a, shown to it without noise, over the actions that count.

    The first candidate is the best chunk that was found. Others are drawn from all that were found, by e^−E. What is decided
    stays in every chunk of the search, and, where it is shown in training, in every counter-example.
    """

    stochastic: ClassVar[bool] = True

    objective: Implicit

    def energy(
        self, condition: Condition, chunks: Tensor, valid: Tensor, times: Tensor | float | None = None
    ) -> Tensor:
        """E (B, N) of chunks (B, N, H, A), over the actions in `valid` (B, H). Cost: one network call for each chunk.

        `times` (B, N), or one for all, is what the network's clock shows; by default that of the data.
        """
        rows, count = chunks.flatten(0, 1), chunks.shape[1]
        shown = torch.as_tensor(self.objective.contrast.clock[1] if times is None else times).to(rows)
        said = self.network(rows, shown.expand(chunks.shape[:2]).flatten(), repeat_rows(condition, count))
        said = said.to(torch.promote_types(said.dtype, torch.float32)).unflatten(0, chunks.shape[:2])
        counted = valid[:, None, :, None]
        return (said * counted).sum((2, 3)) / (counted.sum((2, 3)) * chunks.shape[3]).clamp_min(1)

    def loss(self, condition: Condition, chunk: Tensor, valid: Tensor, shown: Tensor | None = None) -> Tensor:
        """The contrast's, in nats; 0 where no action counts. Actions that do not count are those of the data in all chunks."""
        counted, objective = valid if shown is None else valid & ~shown, self.objective
        pairs = objective.contrast.pairs(chunk, objective.counter_examples, objective.clip_range)
        both = torch.cat([pairs.better, pairs.worse], 1)
        both = torch.where(counted[:, None, :, None], both, chunk[:, None])
        energies = self.energy(condition, both, counted, pairs.times)
        better, worse = energies.split((pairs.better.shape[1], pairs.worse.shape[1]), 1)
        return objective.contrast.loss(better, worse) * counted.any(1)

    def propose(self, condition: Condition, noise: Tensor, given: Given = NOTHING) -> Candidates:
        with torch.inference_mode(False), torch.no_grad():
            # Tensors made in inference mode cannot be differentiated, but copies can.
            return self._propose(map_rows(condition, torch.clone), noise.clone(), given)

    def _propose(self, condition: Condition, noise: Tensor, given: Given) -> Candidates:
        bound, search, count = self.objective.clip_range, self.objective.search, noise.shape[1]
        fixed = None if given.fixed is None else given.fixed[:, :1].clone()  # the same for all candidates

        def hold(chunks: Tensor) -> Tensor:
            inside = chunks.clamp(-bound, bound)
            return inside if fixed is None else decided(fixed, inside)

        def energy(chunks: Tensor, done: float = 1.0) -> Tensor:
            begin, end = self.objective.contrast.clock
            return self.energy(condition, chunks, all_valid(chunks), begin + done * (end - begin))

        start = search.start(noise.new_zeros((len(noise), search.samples, *noise.shape[2:])), bound, given.generator)
        found = search.improve(hold(start), energy, hold, given.generator)
        energies = energy(found)
        chosen = energies.argmin(1, keepdim=True)
        if count > 1:
            chosen = torch.cat([chosen, drawn(energies, count - 1, given.generator)], 1)
        return Candidates(found[torch.arange(len(noise), device=noise.device)[:, None], chosen])

    def imitation(self, condition: Condition, chunks: Tensor, draws: int = 8, valid: Tensor | None = None) -> Tensor:
        """E of each chunk, which may be negative: only differences say anything. Cost: one network call for each chunk."""
        return self.energy(condition, chunks, all_valid(chunks) if valid is None else valid)
