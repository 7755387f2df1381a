"""What tells modes apart, and what it finds."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import draccus
import torch
from torch import Tensor

from lerobot_dp_plus.notation import Scene


class Found(NamedTuple):
    """The modes of each observation's N candidates, the heaviest first unless modes have numbers of their own.

    K is the most modes that there may be. What an observation has fewer is absent: weight, centre and index are zero.

    Args:
        mode: which mode each candidate belongs to, (B, N) int64, 0 … K − 1.
        weights: share of the candidates, (B, K); they add up to one.
        centres: mean of the candidates of the mode, (B, K, D).
        nearest: index of that candidate of the mode which is nearest to its centre, (B, K) int64. It represents the mode.
    """

    mode: Tensor
    weights: Tensor
    centres: Tensor
    nearest: Tensor


@dataclass(frozen=True)
class Modes(draccus.ChoiceRegistry, ABC):
    """Says which candidates do the same thing, and how many different things there are to do."""

    #: Whether it must know where things are.
    needs_scene: ClassVar[bool] = False

    @property
    def keeps(self) -> bool:
        """Whether a mode has the same number in every chunk of an episode, and a choice of it is kept."""
        return False

    def check(self, action_dim: int, state_dims: dict[str, int]) -> None:
        """Raise a ValueError, naming the field and what is legal, unless modes of these actions and states can be told."""

    @property
    def readings(self) -> tuple[str, ...]:
        """Sentences that every instruction may mean, for each of which some candidates are drawn; empty for most members."""
        return ()

    def called(self, scene: Scene, row: int) -> tuple[str, ...]:
        """What each mode of the observation `row` is called; empty if they have no names."""
        return ()

    @property
    @abstractmethod
    def fewest(self) -> int | None:
        """The fewest candidates among which it can find two modes; None if it never does."""

    @abstractmethod
    def points(self, chunks: Tensor) -> Tensor:
        """What is compared of chunks (B, N, L, A), which begin at the current step: (B, N, D)."""

    @abstractmethod
    def find(self, points: Tensor) -> Found:
        """The modes of points (B, N, D), N >= 1. Nothing is drawn at random: equal points give equal modes.

        Raises:
            ValueError: points of another shape, NaN or infinity.
        """

    def of(self, chunks: Tensor, scene: Scene | None = None, drawn: Tensor | None = None) -> Found:
        """The modes of chunks (B, N, L, A), in a scene that some members must know. Raises as `find`.

        `drawn` (B, N) int64 is the reading of the instruction that each was drawn for; None if there was one.
        """
        return self.find(self.points(chunks))


def check_points(points: Tensor) -> None:
    """Raise a ValueError unless points are (B, N, D), with at least one of finite numbers."""
    if points.dim() != 3 or not points.is_floating_point() or points.shape[1] < 1 or points.shape[2] < 1:
        raise ValueError(f"points are {points.dtype} {tuple(points.shape)}; must be floating (B, N, D) with N, D >= 1")
    if not bool(torch.isfinite(points).all()):
        raise ValueError("points: NaN or infinity among them; modes are told of finite numbers")


def described(points: Tensor, labels: Tensor, most: int) -> Found:
    """What is found if candidate n of points (B, N, D) has the label labels[b, n], 0 … most − 1, in any order.

    Of equally heavy modes that of the earlier candidate comes first.
    """
    count = points.shape[1]
    members = torch.nn.functional.one_hot(labels, most)  # (B, N, K)
    rank = members.sum(1) * count - members.argmax(1)  # by number of members, then by the first of them
    order = rank.argsort(1, descending=True)
    members = members.gather(2, order[:, None].expand_as(members))
    size = members.sum(1)  # (B, K)
    centres = members.to(points.dtype).mT @ points / size.clamp_min(1)[..., None]
    distance = (points[:, :, None] - centres[:, None]).square().sum(-1)  # (B, N, K)
    nearest = distance.masked_fill(members == 0, torch.inf).argmin(1)
    return Found(members.argmax(2), size.to(points.dtype) / count, centres, nearest)
