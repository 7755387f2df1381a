"""One robot's run: frames of the right age, a plan that goes on, and observations that are refused by name."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made_up_robot import CAMERA, FEATURES, STATE, raw

from lerobot_dp_plus.policies.acting import load_switched
from lerobot_dp_plus.serving import session as sessions
from lerobot_dp_plus.serving.robot import Robot
from lerobot_dp_plus.serving.session import Seen, Session

FPS = 10.0


@pytest.fixture
def loaded(checkpoint):
    return load_switched(checkpoint)


@pytest.fixture
def run(loaded, monkeypatch):
    """A session, and `asked`: what its policy was asked for."""
    made = Session(loaded, Robot(FEATURES), FPS, 15)
    stock = loaded.policy.predict_action_chunk
    asked: list[SimpleNamespace] = []

    def spied(batch, **told):
        asked.append(SimpleNamespace(batch=batch, **told))
        return stock(batch, **told)

    monkeypatch.setattr(loaded.policy, "predict_action_chunk", spied)
    return SimpleNamespace(session=made, asked=asked, loaded=loaded)


def seen(step: int, x: float | None = None, must_go: bool = False, taken: float | None = None, **others) -> Seen:
    """The robot after an action: its joint x says the step, unless another is given."""
    said = raw(10.0 * step if x is None else x) | others
    return Seen(step, must_go, said, step / FPS if taken is None else taken, time.perf_counter())


def steps_in(batch) -> list[int]:
    """Which steps the frames of a window are of."""
    x = (batch["observation.state"][0, :, 0] + 1) / 2 * 512
    return (x / 10).round().int().tolist()


@pytest.mark.parametrize(
    ("sent", "used"),
    [
        ((0,), [0, 0]),
        ((0, 1, 2, 3), [1, 3]),
        ((0, 2), [0, 2]),
        ((0, 3), [3, 3]),  # a motion of one stride is not shown as one of another
        ((0, 1, 3), [1, 3]),
        ((0, 2, 3), [2, 3]),  # no frame of step 1: the next one takes its place
        ((0, 1, 2, 3, 9), [9, 9]),
    ],
)
def test_frames_are_as_far_apart_as_in_training(run, sent, used) -> None:
    for step in sent:
        run.session.see(seen(step))
    run.session.chunk()
    assert steps_in(run.asked[0].batch) == used


def test_a_wait_without_actions_lets_frames_grow_old(run) -> None:
    run.session.see(seen(0, x=0.0))
    run.session.see(seen(1, x=10.0, taken=1.5))  # one action, and one and a half seconds
    run.session.chunk()
    assert steps_in(run.asked[0].batch) == [1, 1]


def test_a_window_is_what_the_preprocessor_makes_of_every_frame(run) -> None:
    for step in range(3):
        run.session.see(seen(step, top=np.full((24, 32, 3), 40 * step, np.uint8)))
    run.session.chunk()
    pictures = run.asked[0].batch["observation.images.top"]
    expected = (torch.tensor([0.0, 80.0]) / 255 - 0.5) / 0.3
    assert torch.allclose(pictures[0].mean((1, 2, 3)), expected, atol=1e-5) and pictures.shape == (1, 2, 3, 24, 32)


def test_the_plan_goes_on(run) -> None:
    """What the robot does while a chunk is computed is what the chunk begins with."""
    session = run.session
    session.see(seen(0))
    before, first = session.chunk()
    assert before.step == 0 and first.shape == (15, 2) and run.asked[0].prev_chunk_left_over is None
    session._late.append(0.25)  # three steps
    session.see(seen(4))
    _, second = session.chunk()
    asked = run.asked[1]
    assert (asked.steps_since_last, asked.inference_delay) == (4, 3)
    assert torch.equal(run.loaded.postprocess(asked.prev_chunk_left_over[0]), first[4:])
    assert torch.allclose(second[:3], first[4:7], atol=1e-3), "the decided steps"
    assert not torch.allclose(second[3:11], first[7:], atol=1e-1), "and not the others"


def test_a_plan_of_relative_actions_stays_where_it_is(saved) -> None:
    """The robot moves on by forty, and what it was going to do next lies where it lay."""
    folder = saved(use_relative_actions=True, relative_exclude_joints=[])
    session = Session(load_switched(folder), Robot(FEATURES), FPS, 15)
    session.see(seen(0))
    _, first = session.chunk()
    session._late.append(0.25)
    session.see(seen(4))
    _, second = session.chunk()
    assert torch.allclose(second[:3], first[4:7], atol=1e-2)
    assert (second[3:11] - first[7:]).abs().max() > 0.1


@pytest.mark.parametrize("last", [seen(14), seen(20), seen(3, must_go=True)])
def test_a_robot_with_nothing_left_gets_a_chunk_of_its_own(run, last) -> None:
    run.session.see(seen(0))
    run.session.chunk()
    run.session.see(last)
    run.session.chunk()
    assert run.asked[1].prev_chunk_left_over is None and run.asked[1].inference_delay is None


def test_a_client_that_takes_fewer_actions_has_fewer_left(loaded) -> None:
    session = Session(loaded, Robot(FEATURES), FPS, 5)
    session.see(seen(0))
    assert session.chunk()[1].shape == (5, 2)
    session.see(seen(4))
    assert session.asks and session._given.sent == 5
    with pytest.raises(ValueError, match="actions_per_chunk = 0"):
        Session(loaded, Robot(FEATURES), FPS, 0)


def test_every_observation_is_answered_once(run) -> None:
    session = run.session
    assert not session.asks
    session.see(seen(0))
    assert session.asks
    session.chunk()
    session.see(seen(0, x=1.0))
    assert not session.asks, "no action was executed in between"
    session.see(seen(0, x=1.0, must_go=True))
    assert session.asks
    session.chunk()
    session.see(seen(1))
    assert session.asks


def test_a_delay_is_forgotten_and_has_an_end(run, caplog) -> None:
    run.session._late.append(100.0)
    for _ in range(2):
        assert run.session.delay == 7, "half of a chunk"
    assert caplog.text.count("a chunk is 1000 steps late at 10 Hz") == 1
    run.session._late.extend([0.11] * sessions.REMEMBERED)
    assert run.session.delay == 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"x.pos": float("nan")}, "joint x.pos is nan"),
        ({"y.pos": float("inf")}, "joint y.pos is inf"),
        ({"y.pos": None}, "joint y.pos is missing"),
        ({"top": None}, "camera top sent no picture"),
        ({"top": np.zeros((32, 24, 3), np.uint8)}, r"camera top sent a picture of shape \(32, 24, 3\)"),
        ({"top": np.full((24, 32, 3), np.nan, np.float32)}, "camera top sent a picture with NaN"),
    ],
)
def test_what_is_wrong_is_named_and_not_taken_in(run, wrong, said) -> None:
    run.session.see(seen(0))
    with pytest.raises(ValueError, match=said):
        run.session.see(seen(2, **wrong))
    assert run.session.chunk()[0].step == 0
    run.session.see(seen(2))
    run.session.chunk()
    assert steps_in(run.asked[1].batch) == [0, 2], "and the run goes on"


def test_no_motor_gets_a_nan(run, monkeypatch) -> None:
    run.session.see(seen(0))
    monkeypatch.setattr(run.loaded.policy, "predict_action_chunk", lambda *_, **__: torch.full((1, 15, 2), torch.nan))
    with pytest.raises(ValueError, match="chunk with NaN"):
        run.session.chunk()


@pytest.mark.parametrize(
    ("features", "said"),
    [
        ({"observation.state": STATE}, "no observation.images.top, which the policy reads"),
        ({**FEATURES, "observation.images.top": CAMERA | {"shape": (48, 64, 3)}}, r"\(3, 48, 64\).* \(3, 24, 32\)"),
        ({**FEATURES, "observation.state": STATE | {"shape": (3,)}}, r"\(3,\).* trained on \(2,\)"),
        (
            {"observation.state": STATE, "observation.images.front": CAMERA},
            """--rename-map='{"observation.images.front": "observation.images.top"}'""",
        ),
    ],
)
def test_a_robot_that_does_not_fit_is_refused_by_name(loaded, features, said) -> None:
    with pytest.raises(ValueError, match=said):
        Robot(features).fitted(loaded.policy.config)


def test_names_may_differ_and_what_is_not_read_is_left_out(loaded) -> None:
    features = {"observation.state": STATE, "observation.images.front": CAMERA, "observation.images.side": CAMERA}
    robot = Robot(features, {"observation.images.front": "observation.images.top"}).fitted(loaded.policy.config)
    sent = raw(3.0)
    frame = robot.frame({**sent, "front": sent["top"]})  # and no picture of the camera that nobody reads
    assert set(frame) == {"observation.state", "observation.images.top", "task"}
    assert list(robot.cameras) == ["front"]


def test_the_client_of_another_rate_is_told(saved, caplog) -> None:
    Session(load_switched(saved(fps=20)), Robot(FEATURES), FPS, 15)
    assert "trained at 20 frames a second, and the robot runs at 10" in caplog.text
