"""The expert at work: hands pulled along a choreography in gym_aloha's end-effector simulation, joints recorded.

There each gripper hangs on a motion-capture body by a weld, so the arm's joints follow the hand without inverse
kinematics of ours. gym_aloha's weld is too soft for MuJoCo 3 (the hand lags and drops things); here it is stiff.
"""

import copy
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from lerobot_dp_plus.demos.aloha_waypoints import Hand, InsertionStyle, Style, TransferStyle
from lerobot_dp_plus.environments.aloha_physics import ARM_DOF, JOINTS, SUBSTEPS, check_task, load_model, require

_STYLES: dict[str, type[Style]] = {"transfer_cube": TransferStyle, "insertion": InsertionStyle}
_STIFF = (0.99, 0.99, 0.001, 0.5, 2.0)  # MuJoCo's solimp of the weld between hand and motion-capture body


@lru_cache
def _model(task: str) -> Any:
    model = copy.copy(load_model(f"bimanual_viperx_end_effector_{task}.xml"))
    model.eq_solimp[:] = _STIFF
    return model


class HandSimulation:
    """gym_aloha's end-effector simulation of a task: hands in, joints out."""

    def __init__(self, task: str, objects: np.ndarray) -> None:
        """Start an episode with `objects` (7,) or (14,) where they are told."""
        check_task(task)
        self._mujoco = require("mujoco")
        constants = require("gym_aloha.constants")
        self._unnormalize, self._normalize = (
            constants.unnormalize_puppet_gripper_position,
            constants.normalize_puppet_gripper_position,
        )
        self.model = _model(task)
        self.data = self._mujoco.MjData(self.model)
        self.data.qpos[:ARM_DOF] = constants.START_ARM_POSE
        self.data.qpos[ARM_DOF:] = objects
        self._mujoco.mj_forward(self.model, self.data)
        self.start = tuple(self._hand(index) for index in (0, 1))

    def _hand(self, index: int) -> Hand:
        """The motion-capture pose at which the weld of a gripper (0 left, 1 right) is at rest."""
        body = self.model.eq_obj2id[index]
        relative = Rotation.from_quat(self.model.eq_data[index, 6:10], scalar_first=True)
        rotation = Rotation.from_quat(self.data.xquat[body], scalar_first=True) * relative.inv()
        position = self.data.xpos[body] - rotation.apply(self.model.eq_data[index, 3:6])
        return Hand(position, rotation, float(self._normalize(self.data.qpos[(6, 14)[index]])))

    def objects(self) -> np.ndarray:
        """(objects, 7) position and quaternion of each."""
        return self.data.qpos[ARM_DOF:].reshape(-1, 7).copy()

    def step(self, left: Hand, right: Hand) -> np.ndarray:
        """Advance 20 ms towards the two hands; returns joints (14,) with the grippers as commanded."""
        data = self.data
        for index, hand in enumerate((left, right)):
            data.mocap_pos[index] = hand.position
            data.mocap_quat[index] = hand.rotation.as_quat(scalar_first=True)
            opening = self._unnormalize(hand.grip)
            data.ctrl[2 * index : 2 * index + 2] = opening, -opening
        self._mujoco.mj_step(self.model, data, SUBSTEPS)
        joints = np.empty(JOINTS)
        joints[:6], joints[7:13] = data.qpos[:6], data.qpos[8:14]
        joints[6], joints[13] = left.grip, right.grip
        return joints


def draw_style(task: str, rng: np.random.Generator) -> Style:
    """How this episode is played."""
    check_task(task)
    return _STYLES[task].draw(rng)


def plan(task: str, objects: np.ndarray, style: Style) -> np.ndarray:
    """Joint targets (T, 14) float32 at 50 Hz that play `style` from `objects`, as `sample_objects` gives them."""
    simulation = HandSimulation(task, objects)
    left, right = simulation.start
    joints = []
    for move in style.moves(left, right, simulation.objects):
        paths = _glide(left, move.left, move.steps, move.lag), _glide(right, move.right, move.steps, 0.0)
        for left, right in zip(*paths, strict=True):
            joints.append(simulation.step(left, right))
    return np.array(joints, dtype=np.float32)


def _glide(start: Hand, end: Hand, steps: int, lag: float) -> Iterator[Hand]:
    """From start (not included) to end along 10s³ − 15s⁴ + 6s⁵, at rest at both ends: how people move a hand."""
    time = np.clip((np.arange(1, steps + 1) / steps - lag) / (1 - lag), 0.0, 1.0)
    share = time**3 * (10 - 15 * time + 6 * time**2)
    turn = Slerp([0, 1], Rotation.concatenate([start.rotation, end.rotation]))(share)
    for index, s in enumerate(share):
        position = start.position + s * (end.position - start.position)
        yield Hand(position, turn[index], start.grip + s * (end.grip - start.grip))
