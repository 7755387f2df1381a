"""Modes are not told apart."""

from dataclasses import dataclass

from torch import Tensor

from lerobot_dp_plus.modes.base import Found, Modes, check_points, described
from lerobot_dp_plus.modes.points import points_of


@Modes.register_subclass("none")
@dataclass(frozen=True)
class NoModes(Modes):
    """One mode for all candidates. It is represented by the candidate nearest to their mean."""

    @property
    def fewest(self) -> None:
        return None

    def points(self, chunks: Tensor) -> Tensor:
        return points_of(chunks)

    def find(self, points: Tensor) -> Found:
        check_points(points)
        points = points.detach()
        return described(points, points.new_zeros(points.shape[:2]).long(), 1)
