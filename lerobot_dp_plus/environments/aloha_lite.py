"""gym_aloha's tasks as a gymnasium environment that renders what is asked for and no more."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from lerobot_dp_plus.environments.aloha_physics import FPS, JOINTS, SENTENCES, AlohaPhysics, sample_objects
from lerobot_dp_plus.environments.aloha_render import CAMERA, check_picture, render

OBS_TYPES = ("pixels_agent_pos", "environment_state_agent_pos")
SUCCESSES = ("first_contact", "completed")
VISUALIZATION = (240, 320)  # (height, width) of what is filmed where no picture is observed
POSE = 7  # position and quaternion of one object


def check_options(obs_type: str, success: str, height: int, width: int, look: str) -> None:
    """Raise a ValueError naming the option, its value and what is legal."""
    for name, value, legal in (("obs_type", obs_type, OBS_TYPES), ("success", success, SUCCESSES)):
        if value not in legal:
            raise ValueError(f"{name}={value!r}: legal are {', '.join(legal)}")
    check_picture(height, width, look)


def check_visualization(height: int | None, width: int | None, look: str) -> tuple[int, int] | None:
    """(height, width) of the film, None if neither is given; ValueError for one without the other or an illegal one."""
    if height is None and width is None:
        return None
    if height is None or width is None:
        raise ValueError(f"visualization_height={height}, visualization_width={width}: legal are both or neither")
    check_picture(height, width, look)
    return height, width


class AlohaLite(gym.Env):
    """Two arms on a table: hand a cube over, or put a peg into a socket. 50 Hz.

    Observation: `agent_pos` (14,) joints, and `pixels` {"top": (H, W, 3) uint8} or `environment_state` (7,) or (14,), the
    position (metres) and quaternion of the cube, or of peg and socket. Action (14,): joint targets, grippers 0 … 1.
    Reward 0 … 4, gym_aloha's. An episode ends with its success:

    first_contact  gym_aloha's, reward 4: the left finger touches the lifted cube; the peg touches the pin.
    completed      that has happened, and the goal has been held for 10 steps: the cube is off the table between the left
                   fingers with the right gripper off it; peg and socket are in their grippers and the peg is seated.

    `info` holds both, under these names, in every step; `is_success` is the one chosen.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": FPS}  # noqa: RUF012, gymnasium's declaration

    def __init__(
        self,
        task: str,
        obs_type: str = "pixels_agent_pos",
        observation_height: int = 120,
        observation_width: int = 160,
        visualization_height: int | None = None,
        visualization_width: int | None = None,
        look: str = "lite",
        success: str = "first_contact",
        render_mode: str = "rgb_array",
    ) -> None:
        """Make the environment.

        Args:
            task: `transfer_cube` or `insertion`.
            obs_type: one of `OBS_TYPES`.
            observation_height, observation_width: of the observed pictures, pixels.
            visualization_height, visualization_width: of what `render` returns, pixels. None: the observed picture
                itself, which costs nothing more, or 240×320 where poses are observed.
            look: `lite` or `stock`, of both.
            success: one of `SUCCESSES`.
            render_mode: `rgb_array`, nothing else.

        Raises:
            ValueError: an option is illegal.
            MissingExtra: the aloha extra is not installed; the message says how to.
        """
        check_options(obs_type, success, observation_height, observation_width, look)
        visualization = check_visualization(visualization_height, visualization_width, look)
        if render_mode != "rgb_array":
            raise ValueError(f"render_mode={render_mode!r}: legal is rgb_array")
        self.physics = AlohaPhysics(task)
        self.task = task
        self.task_description = SENTENCES[task]
        self.obs_type = obs_type
        self.render_mode = render_mode
        self._size = observation_height, observation_width
        self._visualization = visualization
        self._picture: np.ndarray | None = None  # the last observed
        self._look = look
        self._success = success
        self._touched = False
        parts: dict[str, spaces.Space] = {"agent_pos": _unbounded(JOINTS)}
        if obs_type == "pixels_agent_pos":
            picture = spaces.Box(low=0, high=255, shape=(*self._size, 3), dtype=np.uint8)
            parts["pixels"] = spaces.Dict({CAMERA: picture})
        else:
            parts["environment_state"] = _unbounded(len(self.physics.objects))
        self.observation_space = spaces.Dict(parts)
        self.action_space = spaces.Box(low=-1, high=1, shape=(JOINTS,), dtype=np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        """Arms to their start, objects where gym_aloha puts them for `seed`; without one, for the next of a sequence."""
        super().reset(seed=seed)
        place = int(self.np_random.integers(2**31)) if seed is None else seed
        self.physics.reset(sample_objects(self.task, place))
        self._touched = False
        return self._observation(), self._info()

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        reward = self.physics.step(action)
        self._touched = self._touched or self.physics.success
        info = self._info()
        return self._observation(), reward, info["is_success"], False, info

    def render(self) -> np.ndarray:
        """(visualization_height, visualization_width, 3) uint8."""
        if self._visualization is None and self._picture is not None:
            return self._picture.copy()
        return render(self.physics, *(self._visualization or VISUALIZATION), self._look)

    def _observation(self) -> dict[str, Any]:
        joints = self.physics.joints
        if self.obs_type == "pixels_agent_pos":
            self._picture = render(self.physics, *self._size, self._look)
            return {"agent_pos": joints, "pixels": {CAMERA: self._picture}}
        return {"agent_pos": joints, "environment_state": self.physics.objects}

    def _info(self) -> dict[str, bool]:
        reached = {"first_contact": self._touched, "completed": self._touched and self.physics.completed}
        return {**reached, "is_success": reached[self._success]}


def _unbounded(width: int) -> spaces.Box:
    return spaces.Box(low=-np.inf, high=np.inf, shape=(width,), dtype=np.float64)
