"""Drawing and its slopes: closed forms and finite differences are the oracles."""

import math
from itertools import pairwise

import pytest
import torch

from lerobot_dp_plus.sprites.placing import cut, over, placed, turned, turned_back
from lerobot_dp_plus.sprites.refining import _around, _drawn, refined, with_slopes
from lerobot_dp_plus.sprites.sprite import Patch, Pose, Sprite

SIZE = (24, 30)


def blob(size: int = 16) -> Patch:
    """A smooth thing that is longer than wide, and not in the middle of its square."""
    down, across = torch.meshgrid(torch.arange(size) + 0.5, torch.arange(size) + 0.5, indexing="ij")
    far = ((across - 9) / 4.5) ** 2 + ((down - 7) / 2.2) ** 2
    colours = torch.stack([0.2 + 0.02 * across, 0.9 - 0.03 * down, torch.full_like(far, 0.4)])
    return Patch(colours, torch.exp(-far), 16.0)


@pytest.fixture
def sprite() -> Sprite:
    background = torch.linspace(0, 1, 3 * SIZE[0] * SIZE[1]).view(3, *SIZE)
    robot = Patch(torch.rand(3, 8, 8), torch.rand(8, 8), 6.0)
    return Sprite(background, blob(), robot).requires_grad_(False)


def test_a_patch_lies_where_it_is_put_and_as_it_is_turned() -> None:
    """One bright pixel of the patch, at (5, 1) pixels from its centre, after a quarter of a turn is at (−1, 5)."""
    patch = torch.zeros(4, 16, 16)
    patch[:, 9, 13] = 1  # the pixel whose centre is (13.5, 9.5), 5.5 right of the middle and 1.5 below
    drawn = placed(patch, torch.tensor([[15.0, 12.0]]), torch.tensor([math.pi / 2]), 16.0, SIZE)[0, 3]
    row, column = divmod(int(drawn.argmax()), SIZE[1])
    assert (column + 0.5 - 15, row + 0.5 - 12) == (-1.5, 5.5)
    assert drawn.sum() == pytest.approx(1, abs=1e-4)


def test_what_is_cut_out_is_what_was_placed() -> None:
    place, angle = torch.tensor([[14.3, 11.6]]), torch.tensor([0.7])
    patch = blob()().detach()
    drawn = placed(patch, place, angle, 16.0, SIZE)
    again = cut(drawn, place, angle, 16.0, 16)[0]
    inner = (slice(None), slice(3, 12), slice(3, 14))
    assert (again[inner] - patch[inner]).abs().mean() < 0.02


def test_turning_forth_and_back_is_nothing() -> None:
    vectors, angle = torch.randn(7, 2), torch.randn(7)
    assert torch.allclose(turned_back(turned(vectors, angle), angle), vectors, atol=1e-6)


def test_opaque_fronts_hide_and_empty_ones_do_not() -> None:
    back = torch.rand(2, 3, 4, 4)
    hidden = over(torch.cat([back.flip(0), torch.ones(2, 1, 4, 4)], 1), back)
    assert torch.equal(hidden, back.flip(0))
    assert torch.equal(over(torch.zeros(2, 4, 4, 4), back), back)


def test_slopes_are_those_of_the_drawing(sprite: Sprite) -> None:
    """Against central differences of the drawing itself, away from the kinks of bilinear interpolation on average."""
    pose = Pose(torch.tensor([[13.2, 11.1], [16.7, 12.4]]), torch.tensor([0.4, -2.0]))
    robots = torch.tensor([[18.0, 12.0], [9.0, 9.0]])
    pictures = torch.rand(2, 3, *SIZE)
    look, side, lever = with_slopes(sprite.thing(), 16.0), 16.0, 4.0
    window = _around(pose.place, 20, pictures, sprite.background, sprite.front(robots))
    parameters = torch.cat([pose.place - window.first, lever * pose.angle[:, None]], 1)
    _, slopes = _drawn(look, side, parameters, lever, window)
    for axis in range(3):
        step = 0.25 * torch.eye(3)[axis]
        ahead, behind = (_drawn(look, side, parameters + sign * step, lever, window)[0] for sign in (1, -1))
        expected = (ahead - behind) / 0.5
        assert torch.corrcoef(torch.stack([expected.flatten(), slopes[..., axis].flatten()]))[0, 1] > 0.93
        assert slopes[..., axis].norm() == pytest.approx(float(expected.norm()), rel=0.2)


def test_a_window_shows_what_the_picture_shows(sprite: Sprite) -> None:
    """Also at the picture's edges, where it cannot lie around the thing."""
    place = torch.tensor([[15.0, 12.0], [0.5, 23.0], [29.0, 1.0]])
    pictures = torch.rand(3, 3, *SIZE)
    window = _around(place, 10, pictures, sprite.background, None)
    for row, (x, y) in enumerate(window.first.long().tolist()):
        assert torch.equal(window.pictures[row], pictures[row, :, y : y + 10, x : x + 10])
        assert torch.equal(window.background[row], sprite.background[:, y : y + 10, x : x + 10])
    assert window.first[1].tolist() == [0, 14] and window.first[2].tolist() == [20, 0]


def test_refinement_finds_the_pose_of_a_drawn_picture(sprite: Sprite) -> None:
    """From two pixels and a fifth of a radian off, also with the robot in front."""
    true = Pose(torch.tensor([[13.2, 11.1], [16.7, 12.4], [15.1, 10.3]]), torch.tensor([0.4, -2.0, 3.0]))
    robots = torch.tensor([[16.0, 12.0], [9.0, 9.0], [25.0, 20.0]])
    pictures = sprite(true, robots)
    start = Pose(true.place + torch.tensor([1.2, -1.4]), true.angle + 0.2)
    found, error = refined(sprite, start, pictures, robots, sprite.background, 15)
    assert (found.place - true.place).abs().max() < 0.02
    assert (found.angle - true.angle).abs().max() < 0.01
    assert error.max() < 1e-6
    began = (sprite(start, robots) - pictures).square().mean((1, 2, 3))
    assert (error < began).all()


def test_no_step_makes_a_picture_worse(sprite: Sprite) -> None:
    """From a start far off, on a picture of noise."""
    pictures = torch.rand(4, 3, *SIZE)
    start = Pose(torch.rand(4, 2) * 20, torch.rand(4) * 6)
    errors = [refined(sprite, start, pictures, None, sprite.background, steps)[1] for steps in (0, 1, 3, 8)]
    for before, after in pairwise(errors):
        # Windows are fixed around the start, so what lies beyond them may differ by what a template's rim shows there.
        assert (after <= before + 1e-5).all()
