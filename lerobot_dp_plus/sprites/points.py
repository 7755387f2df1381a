"""A pose as points that are fixed to the thing: what stands in for corners that somebody measured."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lerobot_dp_plus.auxiliary.dynamics.frames import corners_of
from lerobot_dp_plus.sprites.layers import Layers
from lerobot_dp_plus.sprites.mirroring import View
from lerobot_dp_plus.sprites.placing import turned
from lerobot_dp_plus.sprites.sprite import Pose, angle_of, direction_of

#: How far ahead of its centre a thing's second point lies, over the width of its look.
AHEAD = 0.25
#: The centre of area of the eight points' outline, in its own frame.
CENTRE = (0.0, 285 / 7)


def points_of(pose: Pose, view: View, size: tuple[int, int]) -> Tensor:
    """The eight points of `pusht_block` in the units of states, (N, 16), around the thing's centre."""
    centre = view.points(pose.place, size)
    ahead = view.points(pose.place + direction_of(pose.angle), size) - centre
    angle = angle_of(ahead)
    origin = centre - turned(torch.tensor(CENTRE).expand_as(centre), angle)
    return corners_of(origin, angle)


def things_of(
    layers: Layers, poses: Sequence[Pose], alike: Sequence[bool], view: View, size: tuple[int, int]
) -> Tensor:
    """Of each of K things its centre and a point ahead of it in the units of states, side by side, (N, 4 K).

    A thing that looks `alike` from several sides has no point ahead: its centre stands there, too. If all are, only the
    centres are told, (N, 2 K).
    """
    numbers = []
    for number, pose in enumerate(poses):
        numbers.append(view.points(pose.place, size))
        if not all(alike):
            far = 0.0 if alike[number] else AHEAD * layers.look(number).side
            numbers.append(view.points(pose.place + far * direction_of(pose.angle), size))
    return torch.cat(numbers, 1)
