"""Modes are readings of the instruction: each candidate is of the sentence that it was drawn for."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lerobot_dp_plus.modes.base import Found, Modes, check_points
from lerobot_dp_plus.modes.points import points_of
from lerobot_dp_plus.notation import Scene


@Modes.register_subclass("readings")
@dataclass(frozen=True)
class Readings(Modes):
    """mode_n = the reading r that chunk n was drawn from, p(A | O, sentence r).

    It is for instructions that fit several things. Each reading is a sentence that fits one of them, so whoever is asked
    chooses between sentences, and all of them are offered, however much the policy prefers one. `policy.readings` says what
    the sentences are, and changes them from scene to scene; without it they are `sentences`, whatever was said. With neither,
    what was said is the only reading. Mode r is reading r in every chunk, so a choice can be kept, as that of `things` is.
    Source: our own. Cost: the observation is encoded once, and the network's condition once for each reading; a chunk costs
    what it did.

    Attributes:
        sentences: the readings that every instruction has, unless `policy.readings` says otherwise.
        kept: whether a choice is kept.
    """

    needs_scene: ClassVar[bool] = True

    sentences: tuple[str, ...] = ()
    kept: bool = True

    @property
    def fewest(self) -> int | None:
        return max(2, len(self.sentences))

    @property
    def keeps(self) -> bool:
        return self.kept

    @property
    def readings(self) -> tuple[str, ...]:
        return self.sentences

    def points(self, chunks: Tensor) -> Tensor:
        return points_of(chunks)

    def find(self, points: Tensor) -> Found:
        raise ValueError("modes.type = readings knows modes by how chunks were drawn, and not by the points alone")

    def of(self, chunks: Tensor, scene: Scene | None = None, drawn: Tensor | None = None) -> Found:
        """The readings `drawn` (B, N) of chunks (B, N, L, A), in their own order; one for all if None."""
        points = self.points(chunks)
        check_points(points)
        mode = torch.zeros(points.shape[:2], dtype=torch.int64, device=points.device) if drawn is None else drawn
        members = torch.nn.functional.one_hot(mode).to(points.dtype)  # (B, N, K)
        size = members.sum(1)  # (B, K)
        centres = members.mT @ points / size.clamp_min(1)[..., None]
        apart = torch.cdist(points, centres).masked_fill(members == 0, torch.inf)
        return Found(mode, size / points.shape[1], centres, apart.argmin(1))

    def called(self, scene: Scene, row: int) -> tuple[str, ...]:
        """The sentences themselves."""
        return scene.readings[row if len(scene.readings) > 1 else 0] if scene.readings else ()
