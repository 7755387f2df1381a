"""The joint-controlled ALOHA simulation of gym_aloha on MuJoCo's own bindings: same model, same steps, no rendering.

gym_aloha renders three cameras at 640×480 in every step, whatever is asked for, and stands on dm_control. Here is what
moves: the same MJCF file, the same order of MuJoCo calls, the same arithmetic on the action, so that joints, objects and
reward equal gym_aloha's bit for bit. Needs the `aloha` extra; nothing of it is imported before the first simulation.
"""

import importlib
import os
import sys
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np

INSTALL = 'pip install "lerobot_policy_dp_plus[aloha]"'
FPS = 50
SUBSTEPS = 10  # of 2 ms in a control step of 20 ms
JOINTS = 14  # (6 arm joints in radians, 1 gripper from 0 closed to 1 open) left, then right
ARM_DOF = 16  # entries of MuJoCo's qpos before the objects: two fingers per gripper
HELD_STEPS = 10  # in a row, to count as completed
TASKS = ("transfer_cube", "insertion")
SENTENCES = {
    "transfer_cube": "Pick up the red cube with the right gripper and hand it over to the left one.",
    "insertion": "Pick up the peg and the socket and put the peg into the socket.",
}
OBJECT_NAMES = {"transfer_cube": ("cube",), "insertion": ("peg", "socket")}


class Contacts(Protocol):
    """Which bodies touch: the pairs of names in the simulation's contact list, in both orders."""

    def __call__(self, first: str, second: str) -> bool: ...


class MissingExtra(ModuleNotFoundError, ValueError):
    """A package of the aloha extra is not installed; a value error too, since a user can act on the message."""


def require(name: str) -> ModuleType:
    """Import a module of the aloha extra; MissingExtra with the install line if it is not there."""
    # MuJoCo picks its window system at import; without a screen the default finds none.
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("MUJOCO_GL", "egl")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] not in ("mujoco", "gym_aloha", "dm_control"):
            raise
        raise MissingExtra(
            f"the ALOHA simulation needs {error.name}, which is not installed: {INSTALL}", name=error.name
        ) from error


def check_task(task: str) -> None:
    """Raise a ValueError unless `task` is one of `TASKS`."""
    if task not in TASKS:
        raise ValueError(f"task={task!r}: legal are {', '.join(TASKS)}")


@lru_cache
def load_model(file: str) -> Any:
    """The compiled MjModel of one of gym_aloha's files; shared by every simulation of this process, never changed."""
    mujoco, constants = require("mujoco"), require("gym_aloha.constants")
    return mujoco.MjModel.from_xml_path(str(Path(constants.ASSETS_DIR) / file))


def sample_objects(task: str, seed: int) -> np.ndarray:
    """Where gym_aloha puts the objects for `seed`: (7,) or (14,), position in metres and quaternion of each."""
    utils = require("gym_aloha.utils")
    if task == "transfer_cube":
        return utils.sample_box_pose(seed)
    return np.concatenate(utils.sample_insertion_pose(seed))


class AlohaPhysics:
    """One simulation of `transfer_cube` or `insertion`, controlled by joint positions at 50 Hz.

    Raises:
        ValueError: `task` is unknown.
        MissingExtra: the aloha extra is not installed; the message says how to.
    """

    def __init__(self, task: str) -> None:
        check_task(task)
        self.task = task
        self._mujoco = require("mujoco")
        constants = require("gym_aloha.constants")
        self._unnormalize = constants.unnormalize_puppet_gripper_position
        self._normalize = constants.normalize_puppet_gripper_position
        self._start = np.array(constants.START_ARM_POSE)
        self.model = load_model(f"bimanual_viperx_{task}.xml")
        self.data = self._mujoco.MjData(self.model)
        self._touching = ContactReader(self.model)
        self._held = 0
        self.reward = 0

    def reset(self, objects: np.ndarray) -> None:
        """Arms to their start, objects to `objects` (7,) or (14,), as `sample_objects` gives them."""
        mujoco, model, data = self._mujoco, self.model, self.data
        objects = np.asarray(objects, dtype=np.float64)
        if objects.shape != (model.nq - ARM_DOF,):
            raise ValueError(f"objects has shape {objects.shape}; legal for {self.task} is ({model.nq - ARM_DOF},)")
        mujoco.mj_resetData(model, data)
        self._forward_unactuated()
        data.qpos[:ARM_DOF] = self._start
        data.ctrl[:] = self._start
        data.qpos[ARM_DOF:] = objects
        # Twice, as dm_control's nested contexts do: the solver's warm start remembers it.
        self._forward_unactuated()
        self._forward_unactuated()
        self._held = 0
        self.reward = 0

    def step(self, action: np.ndarray) -> int:
        """Advance 20 ms with joint targets `action` (14,), grippers from 0 closed to 1 open; returns the reward 0 … 4.

        Raises:
            FloatingPointError: the simulation left the finite numbers.
        """
        mujoco, model, data = self._mujoco, self.model, self.data
        left, right = self._unnormalize(action[6]), self._unnormalize(action[13])
        data.ctrl[:] = np.concatenate([action[:6], [left, -left], action[7:13], [right, -right]])
        before = data.warning.number.sum()
        mujoco.mj_step2(model, data)
        mujoco.mj_step(model, data, SUBSTEPS - 1)
        mujoco.mj_step1(model, data)
        if data.warning.number.sum() != before:
            raise FloatingPointError(f"the ALOHA simulation became unstable under the action {np.asarray(action)}")
        touch = self._touching.read(data)
        self.reward = REWARDS[self.task](touch)
        self._held = self._held + 1 if HELD[self.task](touch, data.qpos[ARM_DOF:]) else 0
        return self.reward

    @property
    def joints(self) -> np.ndarray:
        """(14,) float64: arm joints in radians, grippers normalised; what LeRobot calls `observation.state`."""
        qpos = self.data.qpos
        grippers = self._normalize(qpos[6]), self._normalize(qpos[14])
        return np.concatenate([qpos[:6], grippers[:1], qpos[8:14], grippers[1:]])

    @property
    def objects(self) -> np.ndarray:
        """(7,) or (14,) float64: position and quaternion of the cube, or of peg and socket."""
        return self.data.qpos[ARM_DOF:].copy()

    @property
    def success(self) -> bool:
        """gym_aloha's: reward 4, at the first touch of the left finger on the lifted cube, or of the peg on the pin."""
        return self.reward == 4

    @property
    def completed(self) -> bool:
        """Whether the goal has been held for the last `HELD_STEPS` steps; see `HELD`."""
        return self._held >= HELD_STEPS

    def _forward_unactuated(self) -> None:
        flag = self._mujoco.mjtDisableBit.mjDSBL_ACTUATION.value
        self.model.opt.disableflags |= flag
        try:
            self._mujoco.mj_forward(self.model, self.data)
        finally:
            self.model.opt.disableflags &= ~flag


class ContactReader:
    """Reads MuJoCo's contact list into a question `touch(first, second)` about geoms by name."""

    def __init__(self, model: Any) -> None:
        self._names = [model.geom(index).name for index in range(model.ngeom)]

    def read(self, data: Any) -> Contacts:
        names = self._names
        pairs = {(names[first], names[second]) for first, second in data.contact.geom[: data.ncon].tolist()}

        def touch(first: str, second: str) -> bool:
            return (first, second) in pairs or (second, first) in pairs

        return touch


SEATED, SEATED_ASIDE = 0.105, 0.012  # metres between the centres of peg and socket, along its axis and across it
SOCKET = ("socket-1", "socket-2", "socket-3", "socket-4")
GRIPPERS = {
    side: tuple(f"vx300s_{side}/10_{finger}_gripper_finger" for finger in ("left", "right"))
    for side in ("left", "right")
}


def _transfer_reward(touch: Contacts) -> int:
    """gym_aloha's: 1 touched by the right, 2 lifted by it, 3 touched by the left, 4 the same off the table.

    Only the left finger of the left gripper and the right finger of the right one count.
    """
    if touch("red_box", GRIPPERS["left"][0]):
        return 3 if touch("red_box", "table") else 4
    if touch("red_box", GRIPPERS["right"][1]):
        return 1 if touch("red_box", "table") else 2
    return 0


def _insertion_reward(touch: Contacts) -> int:
    """gym_aloha's: 1 both touched, 2 both lifted, 3 peg touches the socket in the air, 4 the peg touches the pin."""
    if touch("red_peg", "pin"):
        return 4
    lifted = not touch("red_peg", "table") and not any(touch(part, "table") for part in SOCKET)
    if lifted and any(touch("red_peg", part) for part in SOCKET):
        return 3
    if touch("red_peg", GRIPPERS["right"][1]) and any(touch(part, GRIPPERS["left"][0]) for part in SOCKET):
        return 2 if lifted else 1
    return 0


def _cube_handed_over(touch: Contacts, objects: np.ndarray) -> bool:
    """The cube is off the table, between both fingers of the left gripper, and the right gripper has let go."""
    return (
        all(touch("red_box", finger) for finger in GRIPPERS["left"])
        and not any(touch("red_box", finger) for finger in GRIPPERS["right"])
        and not touch("red_box", "table")
    )


def _peg_inserted(touch: Contacts, objects: np.ndarray) -> bool:
    """The peg is in the socket to within 5 mm of the pin, and each is off the table and in its gripper."""
    peg, socket = objects[:3], objects[7:10]
    w, x, y, z = objects[10:14]
    out = np.array([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)])  # the socket's axis
    offset = peg - socket
    along = float(out @ offset)
    return (
        along < SEATED
        and float(np.linalg.norm(offset - along * out)) < SEATED_ASIDE
        and any(touch("red_peg", finger) for finger in GRIPPERS["right"])
        and any(touch(part, finger) for part in SOCKET for finger in GRIPPERS["left"])
        and not any(touch(part, "table") for part in ("red_peg", *SOCKET))
    )


#: Reward of a step from its contacts.
REWARDS = {"transfer_cube": _transfer_reward, "insertion": _insertion_reward}
#: What must be true for `HELD_STEPS` steps in a row for the task to count as completed.
HELD = {"transfer_cube": _cube_handed_over, "insertion": _peg_inserted}
