"""The frame of a thing from its mirror images: a known turn and shift of the sprite's frame are taken out again."""

import math

import pytest
import torch
from torch import Tensor

from lerobot_dp_plus.augmentation import PushTMirror
from lerobot_dp_plus.auxiliary.dynamics.frames import CORNERS, corners_of
from lerobot_dp_plus.sprites import Mirror, Patch, Pose, View
from lerobot_dp_plus.sprites.gauge import gauge_of, gauge_of_look, middle
from lerobot_dp_plus.sprites.placing import grid, turned, turned_back
from lerobot_dp_plus.sprites.points import points_of
from lerobot_dp_plus.sprites.sprite import direction_of, wrapped

SIZE, VIEW = (48, 48), View(0, 512, 0, 512)
MIRROR = Mirror(PushTMirror(), VIEW)


def t_shaped(turn: float, shift: Tensor, side: float = 24.0, size: int = 32) -> Patch:
    """A T's look whose frame, with the axis along y, is turned and shifted in the look's."""
    offsets = (grid(size, size) / size - 0.5) * side
    x, y = (turned_back(offsets - shift, torch.tensor(turn)) * 512 / 48).unbind(-1)
    bar, stem = (x.abs() < 60) & (y > -45) & (y < -15), (x.abs() < 15) & (y >= -15) & (y < 75)
    return Patch(torch.full((3, size, size), 0.5), (bar | stem).float(), side)


def told(true: Pose, turn: float, shift: Tensor) -> Pose:
    """The sprite's poses of things in true poses: p = o − R(θ)·shift and θ = φ − turn."""
    angle = true.angle - turn
    return Pose(true.place - turned(shift.expand_as(true.place), angle), angle)


def mirrored(true: Pose) -> Pose:
    """The poses of the mirror images: x is across the axis, so directions of x are mirrored and turned round."""
    return Pose(MIRROR.places(true.place, SIZE), math.pi / 2 - true.angle)


@pytest.mark.parametrize("turn", [0.0, 0.4, 2.0, -2.5])
def test_turn_and_shift_are_taken_out(turn: float) -> None:
    shift = torch.tensor([1.3, -0.8])
    generator = torch.Generator().manual_seed(0)
    true = Pose(10 + 28 * torch.rand(200, 2, generator=generator), 6.28 * torch.rand(200, generator=generator))
    # The look holds the T where the sprite's frame sees it: its centre is that of the true frame, shifted along the axis.
    thing = t_shaped(turn, shift)
    pose, image = told(true, turn, shift), told(mirrored(true), turn, shift)
    gauge = gauge_of(thing, pose, image, MIRROR, SIZE)
    assert abs(float(wrapped(torch.tensor(gauge.turn - turn)))) < 1e-3
    fixed = gauge.fixed(pose)
    off = turned_back(fixed.place - true.place, true.angle)
    assert off[:, 0].abs().max() < 1e-3, "across the axis the mirror knows"
    assert off[:, 1].std() < 1e-4 and off[:, 1].abs().max() < 0.6, "along it, it is the look's centre"
    mean, far, apart = middle(fixed, gauge.fixed(image), MIRROR, SIZE)
    assert far.max() < 1e-3 and apart.max() < 1e-3
    assert (mean.place - fixed.place).norm(dim=-1).max() < 1e-3


def test_pictures_that_disagree_with_their_mirror_images_are_told() -> None:
    true = Pose(torch.full((8, 2), 24.0), torch.linspace(0, 3, 8))
    wrong = mirrored(true)
    wrong = Pose(wrong.place + torch.tensor([3.0, 4.0]), wrong.angle + 0.5)
    mean, far, apart = middle(true, wrong, MIRROR, SIZE)
    assert torch.allclose(far, torch.full((8,), 5.0), atol=1e-4)
    assert torch.allclose(apart, torch.full((8,), 0.5), atol=1e-5)
    assert torch.allclose(wrapped(mean.angle - true.angle).abs(), torch.full((8,), 0.25), atol=1e-5)


@pytest.mark.parametrize("turn", [0.3, 2.9, -1.4])
def test_without_a_mirror_the_look_gives_the_frame(turn: float) -> None:
    """A T is longer along its stem, and the stem's end is the thinner one: the same frame as with the mirror."""
    gauge = gauge_of_look(t_shaped(turn, torch.tensor([0.5, 0.2]), size=160))
    assert abs(float(wrapped(torch.tensor(gauge.turn - turn)))) < 0.05


def test_points_lie_around_the_thing_as_pusht_block_wants_them() -> None:
    """The centre of the outline's area is where the pose is, and x0 → x1 is the direction of x."""
    pose = Pose(torch.tensor([[24.0, 12.0]]), torch.tensor([0.6]))
    points = points_of(pose, VIEW, SIZE)
    origin = torch.tensor([[256.0, 128.0]]) - turned(torch.tensor([[0.0, 285 / 7]]), pose.angle)
    assert torch.allclose(points, corners_of(origin, pose.angle), atol=1e-3)
    along = points[0, 2:4] - points[0, :2]
    assert torch.allclose(along / along.norm(), direction_of(pose.angle)[0], atol=1e-5)
    assert len(CORNERS) == points.shape[-1] // 2


def test_views_are_undone_and_mirrors_are_their_own_inverse() -> None:
    view = View(-0.3, 0.3, 0.2, -0.2)
    pixels = 40 * torch.rand(5, 2)
    assert torch.allclose(view.pixels(view.points(pixels, (30, 40)), (30, 40)), pixels, atol=1e-4)
    assert torch.allclose(view.points(torch.tensor([[0.0, 0.0], [40.0, 30.0]]), (30, 40)), torch.tensor([[-0.3, 0.2], [0.3, -0.2]]), atol=1e-6)  # fmt: skip
    assert torch.allclose(MIRROR.places(MIRROR.places(pixels, SIZE), SIZE), pixels, atol=1e-4)
    pictures = torch.rand(2, 3, *SIZE)
    assert torch.equal(MIRROR.pictures(MIRROR.pictures(pictures)), pictures)
