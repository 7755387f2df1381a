"""What a client's messages may hold, and cameras that stand still."""

import os
import pickle

import numpy as np
import pytest
from lerobot.async_inference.helpers import RemotePolicyConfig, TimedObservation
from made_up_robot import FEATURES, raw

from lerobot_dp_plus.serving.still import PATIENCE_S, StillCameras
from lerobot_dp_plus.serving.unpickling import read


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_lerobots_messages_are_read(protocol) -> None:
    sent = TimedObservation(timestamp=1.5, timestep=3, observation=raw(np.float32(2.5)), must_go=True)
    got = read(pickle.dumps(sent, protocol))
    assert (got.timestamp, got.timestep, got.must_go, got.observation["x.pos"]) == (1.5, 3, True, 2.5)
    np.testing.assert_array_equal(got.observation["top"], sent.observation["top"])
    asked = RemotePolicyConfig("dp_plus_unet", "DIR", FEATURES, 8)
    assert read(pickle.dumps(asked, protocol)) == asked


class Evil:
    """A pickle that runs a command when it is read."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return os.system, (f"touch {self.file}",)


@pytest.mark.parametrize("inside", [lambda evil: evil, lambda evil: np.array([evil], dtype=object)])
def test_nothing_else_is(tmp_path, inside) -> None:
    evil = TimedObservation(timestamp=0.0, timestep=0, observation={"x.pos": inside(Evil(tmp_path / "here"))})
    assert pickle.loads(pickle.dumps(evil)) and (tmp_path / "here").exists(), "it would work"
    (tmp_path / "here").unlink()
    with pytest.raises(ValueError, match=f"names {os.system.__module__}.system"):
        read(pickle.dumps(evil))
    assert not (tmp_path / "here").exists()


@pytest.mark.parametrize("data", [b"", b"hello", pickle.dumps(raw(1.0))[:-5]])
def test_what_is_no_message_is_refused(data) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        read(data)


def test_a_camera_that_stands_still_is_named_once() -> None:
    cameras, rng = StillCameras(), np.random.default_rng(0)
    frozen, found = np.zeros((4, 4, 3), np.uint8), []
    for step in range(60):
        alive = rng.integers(0, 255, (4, 4, 3), dtype=np.uint8)
        found.append(cameras.see({"top": frozen, "wrist": alive}, np.array([0.01 * step]), step / 10))
    first = int(PATIENCE_S * 10) + 1
    assert found[first] == ["top"] and not any(found[:first]) and not any(found[first + 1 :])
    cameras.see({"top": frozen + 1}, np.array([1.0]), 7.0)
    assert cameras.see({"top": frozen + 1}, np.array([2.0]), 10.0) == ["top"], "and again when it stops again"


def test_a_robot_at_rest_sees_the_same() -> None:
    cameras, picture = StillCameras(), np.zeros((4, 4, 3), np.uint8)
    assert not any(cameras.see({"top": picture}, np.array([0.5]), now) for now in range(60))
    assert not any(cameras.see({"top": picture}, np.zeros(0), now) for now in range(60, 99))
