"""Poses are found in drawn pictures whose truth is known, and every assumption that is broken is noticed."""

import dataclasses

import numpy as np
import pytest
import torch
from seeing.drawn_things import ARENA, MIRROR, SIDE, SQUARE, VIEW, L, Truth, scene

from lerobot_dp_plus.auxiliary.dynamics.frames import CORNERS, corners_of, pose_of
from lerobot_dp_plus.seeing.states import SeenOne, see
from lerobot_dp_plus.sprites import Frames, Learning

QUICK = Learning(pictures=96, rounds=3, searches=1, passes=2)


@pytest.fixture(scope="module")
def truth() -> Truth:
    return scene()


@pytest.fixture(scope="module")
def seen(truth: Truth) -> SeenOne:
    return see(truth.frames, VIEW, MIRROR, learning=QUICK)


def test_the_points_are_the_corners_that_nobody_told(truth: Truth, seen: SeenOne) -> None:
    """A T's points are its corners: the mirror fixes the frame across, its look the frame along and which end is which."""
    assert seen.refused is None and seen.points is not None
    origin, angle = torch.tensor(truth.origins).float(), torch.tensor(truth.angles).float()
    off = (seen.points - corners_of(origin, angle)).unflatten(-1, (8, 2)).norm(dim=-1)
    pixel = ARENA / SIDE
    assert off.median() < 0.3 * pixel
    assert off.quantile(0.9) < 0.6 * pixel


def test_directions_are_found_to_degrees(truth: Truth, seen: SeenOne) -> None:
    assert seen.points is not None
    angle = pose_of(seen.points).angle.numpy()
    apart = np.abs((angle - truth.angles + np.pi) % (2 * np.pi) - np.pi)
    assert np.degrees(np.median(apart)) < 1.0
    assert np.degrees(apart.max()) < 10.0


def test_what_is_told_without_labels_is_right(truth: Truth, seen: SeenOne) -> None:
    """Good poses explain the picture, no turn explains it better, and the mirror image agrees."""
    quality = seen.quality
    assert quality is not None and quality.far is not None and quality.apart is not None
    assert quality.explained > 0.95
    assert quality.turned < 0.02 and quality.contradicted == 0
    assert quality.far < 0.3 and quality.apart < 2


def test_noise_of_a_camera_is_no_reason_to_refuse(truth: Truth) -> None:
    """Twelve of 255 in every pixel, independently: places are still those of the corners."""
    noise = 12 * torch.randn(truth.frames.pictures.shape, generator=torch.Generator().manual_seed(0))
    noisy = Frames((0.8 * truth.frames.pictures + noise).clamp(0, 255).byte(), truth.frames.robots)
    found = see(noisy, VIEW, MIRROR, learning=QUICK)
    assert found.refused is None and found.points is not None and found.quality is not None
    assert found.scene.noise * 255 == pytest.approx(12, rel=0.1)
    assert found.quality.explained > 0.9
    origin, angle = torch.tensor(truth.origins).float(), torch.tensor(truth.angles).float()
    off = (found.points - corners_of(origin, angle)).unflatten(-1, (8, 2)).norm(dim=-1)
    assert off.median() < 0.4 * ARENA / SIDE


def test_the_mirror_image_of_a_picture_has_the_mirror_image_of_its_points(truth: Truth, seen: SeenOne) -> None:
    """The frame is one in which the task's mirror only swaps left and right: what `pusht_mirror` does with corners."""
    some = truth.frames.part(slice(0, 40))
    assert some.robots is not None
    pictures = MIRROR.pictures(some.pictures)
    mirrored = Frames(pictures, MIRROR.places(some.robots, some.size))
    again = see(mirrored, VIEW, MIRROR, learned_from=None, learning=QUICK)
    assert again.points is not None and seen.points is not None
    expected = MIRROR.symmetry.image({"observation.environment_state": seen.points[:40]})
    off = (again.points - expected["observation.environment_state"]).unflatten(-1, (8, 2)).norm(dim=-1)
    assert off.median() < 0.3 * ARENA / SIDE


def test_a_thing_without_a_mirror_image_has_the_frame_of_its_look() -> None:
    """An L: its pose is right up to one turn and one shift, the same in all pictures."""
    truth = scene(shape=L)
    found = see(truth.frames, VIEW, None, learning=QUICK)
    assert found.refused is None and found.points is not None and found.quality is not None
    assert found.quality.far is None and found.quality.contradicted is None
    pose = pose_of(found.points)
    turn = torch.remainder(pose.angle - torch.tensor(truth.angles).float() + torch.pi, 2 * torch.pi) - torch.pi
    around = torch.stack([turn.cos(), turn.sin()]).mean(1)
    assert around.norm() > 0.999  # one and the same turn: the length of a mean direction is 1 − its variance


def test_an_l_is_not_its_own_mirror_image() -> None:
    found = see(scene(shape=L).frames, VIEW, MIRROR, learning=QUICK)
    assert found.refused is not None and found.refused.assumption == "the thing is its own mirror image"


@pytest.mark.parametrize(
    ("broken", "assumption"),
    [
        ({"still": True}, "something moves beside the robot"),
        ({"second": True}, "one thing moves beside the robot"),
        ({"shaken": 3}, "the camera stands still"),
        ({"robot_shown": False}, "the robot is seen where states say it is"),
    ],
)
def test_what_breaks_an_assumption_is_refused_by_its_name(broken: dict, assumption: str) -> None:
    found = see(scene(count=96, **broken).frames, VIEW, MIRROR, learning=QUICK)
    assert found.refused is not None and found.refused.assumption == assumption
    assert 0 < len(found.refused.rows) <= 6
    assert found.points is None


def test_a_thing_that_changes_its_form_is_not_rigid() -> None:
    """Halves of the pictures show a T and a square: no look explains both."""
    one, other = scene(count=60), scene(count=60, shape=SQUARE)
    assert one.frames.robots is not None and other.frames.robots is not None
    pictures = torch.cat([one.frames.pictures, other.frames.pictures])
    found = see(Frames(pictures, torch.cat([one.frames.robots, other.frames.robots])), VIEW, None, learning=QUICK)
    assert found.refused is not None
    assert found.refused.assumption == "what moves is one rigid thing in the picture's plane"


def test_a_square_looks_alike_from_four_sides() -> None:
    found = see(scene(count=96, shape=SQUARE).frames, VIEW, None, learning=QUICK)
    assert found.refused is not None and found.refused.assumption == "the thing looks different from each side"
    assert found.quality is not None and found.quality.turned > 0.9


def test_learning_depends_on_the_seed_alone(truth: Truth) -> None:
    short = dataclasses.replace(QUICK, rounds=1, passes=1)
    points = [see(truth.frames, VIEW, None, learning=short, seed=seed).points for seed in (0, 0, 1)]
    assert points[0] is not None and points[1] is not None and points[2] is not None
    assert torch.equal(points[0], points[1])
    assert not torch.equal(points[0], points[2])


def test_a_view_without_extent_is_refused() -> None:
    with pytest.raises(ValueError, match="view = 1 1 0 512"):
        type(VIEW)(1, 1, 0, 512)


def test_corners_are_what_the_dynamics_frame_calls_corners() -> None:
    """The centre that points are put around is the centre of area of `pusht_block`'s outline."""
    from lerobot_dp_plus.sprites.points import CENTRE

    ring = np.array([CORNERS[index] for index in (0, 1, 2, 5, 6, 7, 4, 3)], float)
    x, y = ring.T
    cross = x * np.roll(y, -1) - np.roll(x, -1) * y
    centre = [((each + np.roll(each, -1)) * cross).sum() / (3 * cross.sum()) for each in (x, y)]
    assert np.allclose(centre, CENTRE)
