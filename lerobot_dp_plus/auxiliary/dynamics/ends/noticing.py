"""Whether one Gaussian fits the ends of a recording, told while it is trained on."""

import logging

import torch
from torch import Tensor

from lerobot_dp_plus.auxiliary.dynamics.ends import kernel_ridge
from lerobot_dp_plus.auxiliary.dynamics.ends.context import WIDTH, Context
from lerobot_dp_plus.auxiliary.dynamics.ends.known import Known
from lerobot_dp_plus.auxiliary.dynamics.ends.mixture import KEPT, groups_of
from lerobot_dp_plus.modes.gaussian_mixture import whitened
from lerobot_dp_plus.modes.points import principal

logger = logging.getLogger(__name__)

#: How many different ends are judged at first, and then whenever there are twice as many.
FIRST, AGAIN = 32, 2
#: By how many nats ends must be narrower, summed over directions, where their sentences are known.
ENOUGH = 1.0
#: The most groups that are looked for.
MOST = 6


class Noticing:
    """Keeps different ends (512 at most) with their sentences, and warns once if they are not one Gaussian."""

    def __init__(self, dim: int):
        self._dim = dim
        one = torch.zeros((), dtype=torch.int64)
        self._known = Known(torch.zeros(KEPT, dim + WIDTH), one, one.clone(), dim)
        self._next, self._told = FIRST, False

    def look(self, last: Tensor, words: Tensor | None) -> None:
        """Take in ends (M, C), and the vectors of their sentences (M, WIDTH) if any were read."""
        if self._told or int(self._known.held) == KEPT:
            return
        said = last.new_zeros(len(last), WIDTH) if words is None else words
        self._known.add(torch.cat([last, said], 1).cpu())
        if int(self._known.held) >= self._next:
            self._next = AGAIN * int(self._known.held)
            self._judge()

    def _judge(self) -> None:
        rows = self._known.rows[: int(self._known.held)]
        said = verdict(rows[:, : self._dim], rows[:, self._dim :])
        if said:
            self._told = True
            logger.warning("dynamics.ends.type = gaussian: %s", said)


def verdict(ends: Tensor, words: Tensor) -> str:
    """What is wrong with one Gaussian for ends (N, C) with vectors of sentences (N, WIDTH), and the way out; or nothing."""
    if foretold(ends, words) >= ENOUGH:
        return (
            f"of the {len(ends)} different ends seen so far the sentence tells where each is. One Gaussian ranks what lies between "
            "them first; take --policy.dynamics.ends.type=conditional"
        )
    groups = groups_of(ends, MOST).shape[1]
    if groups == 1:
        return ""
    return (
        f"the {len(ends)} different ends seen so far fall into {groups} groups, and one Gaussian ranks what lies "
        "between them first. Take --policy.dynamics.ends.type=mixture, or conditional if the start of an episode decides "
        "where it ends"
    )


def foretold(ends: Tensor, words: Tensor) -> float:
    """How much narrower ends are, in nats, where their sentences are known; of episodes that were left out."""
    if not (words.any() and (words != words[0]).any()):
        return 0.0
    points = whitened(principal(ends[None].double(), min(6, ends.shape[1])))[0]
    left = kernel_ridge.fit(Context(None, words), points).spread
    return float((points.std(0, correction=0) / left.clamp_min(1e-3)).clamp_min(1).log().sum())
