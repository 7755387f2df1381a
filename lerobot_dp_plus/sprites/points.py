"""A pose as points that are fixed to the thing: what stands in for corners that somebody measured."""

import torch
from torch import Tensor

from lerobot_dp_plus.auxiliary.dynamics.frames import corners_of
from lerobot_dp_plus.sprites.mirroring import View
from lerobot_dp_plus.sprites.placing import turned
from lerobot_dp_plus.sprites.sprite import Pose, angle_of, direction_of

#: The centre of area of the eight points' outline, in its own frame.
CENTRE = (0.0, 285 / 7)


def points_of(pose: Pose, view: View, size: tuple[int, int]) -> Tensor:
    """The eight points of `pusht_block` in the units of states, (N, 16), around the thing's centre."""
    centre = view.points(pose.place, size)
    ahead = view.points(pose.place + direction_of(pose.angle), size) - centre
    angle = angle_of(ahead)
    origin = centre - turned(torch.tensor(CENTRE).expand_as(centre), angle)
    return corners_of(origin, angle)
