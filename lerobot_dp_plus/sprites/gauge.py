"""Which frame a pose is meant in: a sprite's is right up to a turn and a shift that are the same in every picture.

The thing is its own mirror image, so it has an axis. Let c be the turn from the axis to the learned direction θ, and s the
shift from the axis to the learned centre. In the mirror image of a picture the axis is mirrored, and c and s are as they were:

    2c = θ' − M(θ)        θ' read off the mirror image, M(θ) the mirrored direction

up to half a turn, and likewise for s. Where along the axis the frame begins, and which end is which, the mirror does not
say. The thing's own look does: the frame's centre is that of the opacity, and its axis points to the longer, thinner end.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lerobot_dp_plus.sprites.mirroring import Mirror
from lerobot_dp_plus.sprites.placing import grid, turned, turned_back
from lerobot_dp_plus.sprites.sprite import Patch, Pose, angle_of, direction_of


@dataclass(frozen=True)
class Gauge:
    """The thing's frame in the sprite's.

    Args:
        turn: the angle of the frame's axis, its y, less a quarter of a turn.
        centre: (2,) where the frame's origin is, in pixels.
    """

    turn: float
    centre: Tensor

    def fixed(self, pose: Pose) -> Pose:
        """Poses of the thing's own frame from poses of the sprite."""
        place = pose.place + turned(self.centre.expand_as(pose.place), pose.angle)
        return Pose(place, pose.angle + self.turn)


def gauge_of(thing: Patch, pose: Pose, image: Pose, mirror: Mirror, size: tuple[int, int]) -> Gauge:
    """The frame of a thing that is its own mirror image.

    Args:
        pose, image: its poses in the pictures and in their mirror images.
    """
    mirrored = angle_of(mirror.directions(direction_of(pose.angle), size))
    # M(θ) turns against θ. So the axis at angle a from θ is at −a from M(θ), and at a from θ': 2a = M(θ) − θ'.
    twice = direction_of(mirrored - image.angle).mean(0)
    axis = angle_of(twice) / 2
    # From the mirrored centre to the centre read off the mirror image, in the frame of the axis: twice the shift across.
    back = mirror.places(pose.place, size) - image.place
    across = turned_back(back, image.angle + axis)[:, 1].median() / 2
    along, skew = _along(thing, axis)
    if skew < 0:
        axis, along, across = axis + torch.pi, -along, -across
    centre = turned(torch.stack([along, across]), axis)
    return Gauge(float(axis - torch.pi / 2), centre)


def gauge_of_look(thing: Patch) -> Gauge:
    """The frame of a thing without a mirror image: the centre of its opacity, and the axis along which it is longest."""
    offsets, weight = _offsets(thing)
    centre = (weight[:, None] * offsets).sum(0)
    spread = offsets - centre
    covariance = (weight[:, None, None] * spread[:, :, None] * spread[:, None]).sum(0)
    axis = angle_of(torch.linalg.eigh(covariance).eigenvectors[:, -1])
    if _along(thing, axis)[1] < 0:
        axis = axis + torch.pi
    return Gauge(float(axis - torch.pi / 2), centre)


def middle(pose: Pose, image: Pose, mirror: Mirror, size: tuple[int, int]) -> tuple[Pose, Tensor, Tensor]:
    """The mean of poses and of what their mirror images tell, and by how much they disagree, in pixels and radians (B,).

    All of them are in the thing's own frame, whose x is across its axis of symmetry.
    """
    axis = mirror.directions(direction_of(image.angle + torch.pi / 2), size)
    angle = angle_of(axis) - torch.pi / 2
    place = mirror.places(image.place, size)
    apart = torch.remainder(angle - pose.angle + torch.pi, 2 * torch.pi) - torch.pi
    far = (place - pose.place).norm(dim=-1)
    return Pose((place + pose.place) / 2, pose.angle + apart / 2), far, apart.abs()


def _offsets(thing: Patch) -> tuple[Tensor, Tensor]:
    """Every pixel of the template from its centre (P, 2), in pixels of the picture, and its share of the opacity (P,)."""
    opacity = thing.opacity.detach()
    size = opacity.shape[-1]
    weight = (opacity * (opacity > 0.5)).flatten()
    offsets = (grid(size, size).flatten(0, 1) / size - 0.5) * float(thing.side)
    return offsets, weight / weight.sum().clamp_min(1e-6)


def _along(thing: Patch, axis: Tensor) -> tuple[Tensor, Tensor]:
    """The centre of the opacity along an axis, and its third moment there: positive if the longer end is ahead."""
    offsets, weight = _offsets(thing)
    along = offsets @ direction_of(axis)
    centre = (weight * along).sum()
    return centre, (weight * (along - centre) ** 3).sum()
