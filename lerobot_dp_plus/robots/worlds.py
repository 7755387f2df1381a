"""The worlds of the simulated robot: what it observes, and one control step."""

from typing import Protocol

import numpy as np

from lerobot_dp_plus.environments import so101_pictures
from lerobot_dp_plus.environments.so101 import JOINTS, So101

#: ALOHA's joints of one arm, as LeRobot's ALOHA recordings order them.
ARM = ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate", "gripper")


class World(Protocol):
    """A world at rest until a control step is made."""

    #: Names of the numbers of an action, and of those that are observed.
    actions: tuple[str, ...]
    states: tuple[str, ...]
    #: Cameras by name, with the shape (H, W, 3) of their pictures.
    cameras: dict[str, tuple[int, int, int]]

    def reset(self, seed: int) -> None:
        """Begin."""

    def step(self, action: np.ndarray) -> bool:
        """Make a control step; whether the task is done."""

    def state(self) -> np.ndarray:
        """The numbers that are observed, float32."""

    def pictures(self) -> dict[str, np.ndarray]:
        """What the cameras see, (H, W, 3) uint8 each."""

    def rest(self) -> np.ndarray:
        """The action that changes nothing."""

    def close(self) -> None:
        """Let go of the simulator."""


class PushTWorld:
    """gym_pusht: the agent's place, a picture from above, and if asked for the T's corners."""

    actions: tuple[str, ...] = ("x.pos", "y.pos")

    def __init__(self, camera: bool, keypoints: bool):
        from gym_pusht.envs import PushTEnv

        self._env = PushTEnv(obs_type="pixels_agent_pos" if camera else "environment_state_agent_pos")
        corners = [f"corner_{number}_{axis}.pos" for number in range(8) for axis in "xy"] if keypoints else []
        self.states: tuple[str, ...] = (*self.actions, *corners)
        self.cameras: dict[str, tuple[int, int, int]] = {"top": (96, 96, 3)} if camera else {}
        self._keypoints = keypoints

    def reset(self, seed: int) -> None:
        self._env.reset(seed=seed)

    def step(self, action: np.ndarray) -> bool:
        return bool(self._env.step(action.astype(np.float32))[2])

    def state(self) -> np.ndarray:
        own = np.array(self._env.agent.position, dtype=np.float32)
        if not self._keypoints:
            return own
        return np.concatenate([own, np.asarray(self._env.get_keypoints(self._env._block_shapes), np.float32).flatten()])

    def pictures(self) -> dict[str, np.ndarray]:
        return {"top": self._env.get_obs()["pixels"]} if self.cameras else {}

    def rest(self) -> np.ndarray:
        return np.array(self._env.agent.position)

    def close(self) -> None:
        self._env.close()


class AlohaWorld:
    """`aloha_lite`: fourteen joints, and one camera from above."""

    actions: tuple[str, ...] = tuple(f"{side}_{joint}.pos" for side in ("left", "right") for joint in ARM)
    states: tuple[str, ...] = actions

    def __init__(self, task: str, camera: bool):
        from lerobot_dp_plus.environments.aloha_lite import AlohaLite

        self._env = AlohaLite(task, obs_type="pixels_agent_pos" if camera else "environment_state_agent_pos")
        self.cameras: dict[str, tuple[int, int, int]] = {"top": (120, 160, 3)} if camera else {}

    def reset(self, seed: int) -> None:
        self._observation, _ = self._env.reset(seed=seed)
        self._start = np.array(self._observation["agent_pos"])

    def step(self, action: np.ndarray) -> bool:
        self._observation, _, done, _, _ = self._env.step(action)
        return bool(done)

    def state(self) -> np.ndarray:
        return np.asarray(self._observation["agent_pos"], np.float32)

    def pictures(self) -> dict[str, np.ndarray]:
        return {"top": np.asarray(self._observation["pixels"]["top"])} if self.cameras else {}

    def rest(self) -> np.ndarray:
        return self._start

    def close(self) -> None:
        self._env.close()


class So101World:
    """The made-up SO-101: six joints, a camera in front and one on the wrist. It is done when a cube is held."""

    actions: tuple[str, ...] = tuple(f"{joint}.pos" for joint in JOINTS)
    states: tuple[str, ...] = actions

    def __init__(self, camera: bool):
        self._arm = So101()
        self.cameras: dict[str, tuple[int, int, int]] = (
            dict.fromkeys(("front", "wrist"), (480, 640, 3)) if camera else {}
        )

    def reset(self, seed: int) -> None:
        self._arm.reset(seed)

    def step(self, action: np.ndarray) -> bool:
        return self._arm.step(action)

    def state(self) -> np.ndarray:
        return self._arm.table.joints.astype(np.float32)

    def pictures(self) -> dict[str, np.ndarray]:
        draw = {"front": so101_pictures.front, "wrist": so101_pictures.wrist}
        return {name: draw[name](self._arm.table, *shape[:2]) for name, shape in self.cameras.items()}

    def rest(self) -> np.ndarray:
        return self._arm.table.joints.copy()

    def close(self) -> None:
        """There is no simulator to let go of."""


def world_of(name: str, camera: bool, keypoints: bool) -> World:
    """The world of this name; see `config_simulated.RATES`."""
    if name == "so101":
        return So101World(camera)
    return PushTWorld(camera, keypoints) if name == "pusht" else AlohaWorld(name, camera)
