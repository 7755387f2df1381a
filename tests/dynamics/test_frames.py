"""Frames: what goes in comes out, and PushT's own symmetries leave the block's frame unchanged."""

import math

import pytest
import torch

from lerobot_dp_plus.auxiliary.dynamics import Observed, PushTBlock
from lerobot_dp_plus.auxiliary.dynamics.frames import CORNERS, ENVIRONMENT_STATE, STATE, Moment, corners_of, pose_of
from lerobot_dp_plus.demos.pusht_features import CORNERS as SIMULATOR_CORNERS

BATCH, STEPS = 7, 5


def moment_of(origin, angle, agent, actions) -> Moment:
    """Poses (B, 2, ·), agents (B, 2, 2) and actions (B, K, 2) in pixels."""
    return Moment({STATE: agent, ENVIRONMENT_STATE: corners_of(origin, angle)}, actions)


def some(seed: int = 0):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    origin, angle = 100 + 300 * draw(BATCH, 2, 2), 20 * draw(BATCH, 2) - 10
    agent, actions = 512 * draw(BATCH, 2, 2), 512 * draw(BATCH, STEPS, 2)
    future = (
        100 + 300 * draw(BATCH, STEPS, 2),
        angle[:, -1:] + 3 * draw(BATCH, STEPS) - 1.5,
        512 * draw(BATCH, STEPS, 2),
    )
    return origin, angle, agent, actions, future


def states(future):
    origin, angle, agent = future
    return {STATE: agent, ENVIRONMENT_STATE: corners_of(origin, angle)}


def rigid(turn: float, shift, reflect: bool):
    """A motion of the plane, as maps of points and of angles; the reflected T is a T of the opposite turn."""

    def points(value):
        x, y = value.unbind(-1)
        x = -x if reflect else x
        c, s = math.cos(turn), math.sin(turn)
        return torch.stack([c * x - s * y, s * x + c * y], -1) + torch.tensor(shift, dtype=value.dtype)

    return points, lambda angle: (-angle if reflect else angle) + turn


def test_corners_are_the_simulators():
    torch.testing.assert_close(torch.tensor(CORNERS, dtype=torch.float64), torch.tensor(SIMULATOR_CORNERS))


def test_pose_is_read_off_the_corners():
    origin, angle, *_ = some()
    pose = pose_of(corners_of(origin, angle))
    torch.testing.assert_close(pose.origin, origin)
    torch.testing.assert_close(pose.angle.cos(), angle.cos())
    torch.testing.assert_close(pose.angle.sin(), angle.sin())


@pytest.mark.parametrize("frame", [Observed(), PushTBlock()], ids=["observed", "pusht_block"])
def test_place_undoes_change(frame):
    origin, angle, agent, actions, future = some()
    moment, then = moment_of(origin, angle, agent, actions), states(future)
    placed = frame.place(moment, frame.change(moment, then))
    for key in then:
        torch.testing.assert_close(placed[key], then[key])


@pytest.mark.parametrize("reflect", [False, True], ids=["moved", "mirrored"])
@pytest.mark.parametrize("turn", [0.0, 1.0, -2.5])
def test_the_blocks_frame_does_not_see_where_things_happen(turn, reflect):
    """A scene moved, turned or mirrored as a whole looks the same, and so does what changes in it."""
    origin, angle, agent, actions, future = some()
    points, angles = rigid(turn, (40.0, -25.0), reflect)
    frame = PushTBlock()
    moment = moment_of(origin, angle, agent, actions)
    moved = moment_of(points(origin), angles(angle), points(agent), points(actions))
    torch.testing.assert_close(frame.look(moved), frame.look(moment))
    then = states((points(future[0]), angles(future[1]), points(future[2])))
    torch.testing.assert_close(frame.change(moved, then), frame.change(moment, states(future)))


def test_the_observed_frame_does_see_it():
    origin, angle, agent, actions, _ = some()
    moment = moment_of(origin, angle, agent, actions)
    moved = moment_of(origin + 40, angle, agent + 40, actions + 40)
    assert not torch.allclose(Observed().look(moved), Observed().look(moment))


def test_changes_are_pixels_and_radians_in_the_blocks_frame():
    """A T at angle 90°, agent on its right: moving up the arena is moving along its own x."""
    origin = torch.tensor([[[200.0, 200.0]] * 2])
    angle = torch.full((1, 2), math.pi / 2)
    agent = torch.tensor([[[200.0, 260.0]] * 2])  # into the frame: (60, 0)
    moment = moment_of(origin, angle, agent, torch.zeros(1, 1, 2))
    then = states((torch.tensor([[[200.0, 210.0]]]), angle[:, -1:] + 0.1, agent[:, -1:]))
    expected = torch.tensor([[[10 / 20, 0.0, 0.3, 0.0, 0.0]]])
    torch.testing.assert_close(PushTBlock().change(moment, then), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("side", [1.0, -1.0], ids=["right", "left"])
def test_the_blocks_last_turn_is_looked_at(side):
    """Ten times the angle before, less the angle now; with the agent on the left, left and right are swapped."""
    origin, angle = torch.tensor([[[200.0, 200.0]] * 2]), torch.tensor([[0.3, 0.5]])
    agent = origin + side * 60 * torch.tensor([math.cos(0.5), math.sin(0.5)])  # along the block's own x
    seen = PushTBlock().look(moment_of(origin, angle, agent, torch.zeros(1, 1, 2)))
    assert seen[0, -1].item() == pytest.approx(10 * side * (0.3 - 0.5), abs=1e-4)


def test_other_tasks_are_refused_by_name():
    with pytest.raises(ValueError, match=r"dynamics.frame.type=pusht_block: states .*'observation.state': 14"):
        PushTBlock().check({STATE: 14}, 14)
    PushTBlock().check({STATE: 2, ENVIRONMENT_STATE: 16}, 2)
