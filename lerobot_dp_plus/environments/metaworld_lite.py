"""Any of MetaWorld's fifty tasks: LeRobot's physics, states and success, with cheap pictures of any size."""

from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces

from lerobot_dp_plus.environments.metaworld_extra import require_metaworld
from lerobot_dp_plus.environments.metaworld_tasks import instruct
from lerobot_dp_plus.environments.mujoco_pictures import View, mujoco_renderer, seen_from
from lerobot_dp_plus.environments.pictured import Pictured, check_picture
from lerobot_dp_plus.environments.sentences import Instruction

FPS = 80
LARGEST = 1024  # side of a picture
#: `corner2` is LeRobot's, moved and turned round as LeRobot does it; `near` shows small things larger.
CAMERAS = ("corner2", "near")
NEAR = View(lookat=(0.0, 0.68, 0.03), distance=0.75, azimuth=90.0, elevation=-50.0)
CORNER2_PLACE = (0.75, 0.075, 0.7)
#: Numbers that are observed of things: MetaWorld's fourteen and the place of the goal.
THINGS = 17
LOOKED_AT = 0.06  # metres around a thing that the gaze takes in


def check_options(obs_type: str, camera: str, size: int) -> None:
    """Raise a ValueError naming the option, its value and what is legal."""
    if camera not in CAMERAS:
        raise ValueError(f"camera={camera!r}: legal are {', '.join(CAMERAS)}")
    check_picture(obs_type, size, LARGEST)


class MetaworldLite(Pictured):
    """One task, 80 control steps a second, as LeRobot's `metaworld` has it but for the pictures and the sentences.

    Observation: `agent_pos` (4,), the hand's place in metres and how far the fingers are apart; and `pixels` (S, S, 3)
    uint8 or `environment_state` (17,), what MetaWorld tells of things, and the goal. Action (4,): velocity of the hand and
    grip, from −1 to 1. An episode ends with its success. `reset` takes the option `instruction`, one of
    `metaworld_tasks.KINDS`.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": FPS}  # noqa: RUF012, gymnasium's declaration
    largest: ClassVar[int] = LARGEST
    state_space: ClassVar[spaces.Box] = spaces.Box(-1000, 1000, (4,), np.float64)
    things_space: ClassVar[spaces.Box] = spaces.Box(-np.inf, np.inf, (THINGS,), np.float64)
    actions: ClassVar[spaces.Box] = spaces.Box(-1, 1, (4,), np.float32)

    def __init__(
        self,
        task: str,
        obs_type: str = "pixels_agent_pos",
        instruction: str = "stock",
        observation_size: int = 96,
        camera: str = "corner2",
        render_mode: str = "rgb_array",
    ) -> None:
        """Make the environment.

        Args:
            task: one of MetaWorld's, such as `drawer-open-v3`.
            obs_type: one of `pictured.OBS_TYPES`.
            instruction: the usual kind of sentences.
            observation_size: height and width of pictures.
            camera: one of `CAMERAS`.
            render_mode: `rgb_array`, nothing else.

        Raises:
            ValueError: an option is illegal. MissingExtra: MetaWorld is not installed.
        """
        check_options(obs_type, camera, observation_size)
        super().__init__(obs_type, observation_size, render_mode)
        self.task, self.instruction, self.camera = task, instruction, camera
        self.sim = simulation(task)
        self.raw = np.zeros(39)
        self.said = Instruction("", (0,))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        super().reset(seed=seed)
        number = self._number(seed)
        self.sim.seed(number)
        self.raw, _ = self.sim.reset(seed=number)
        kind = (options or {}).get("instruction", self.instruction)
        self.said = instruct(kind, self.task, np.random.default_rng([number, 2]))
        return self._observation(), {"is_success": False}

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        self.sim.curr_path_length = 0  # the wrapper of the vector counts
        self.raw, reward, _, _, info = self.sim.step(np.asarray(action))
        success = bool(info["success"])
        told = {name: info[name] for name in ("near_object", "obj_to_target") if name in info}
        return self._observation(), float(reward), success, False, {**told, "is_success": success}

    def render(self) -> np.ndarray:
        """(S, S, 3) uint8, as it is observed."""
        renderer = _renderer(self.task, self._size)
        for name in ("site_rgba", "geom_rgba", "site_size"):  # what a task may change when it is reset
            getattr(renderer.model, name)[:] = getattr(self.sim.model, name)
        near = self.camera == "near"
        renderer.update_scene(self.sim.data, camera=NEAR.camera() if near else self.camera)
        picture = renderer.render()
        return picture if near else picture[::-1, ::-1].copy()  # LeRobot turns this camera round

    @property
    def environment_state(self) -> np.ndarray:
        """(17,): MetaWorld's numbers of up to two things, each a place and a quaternion, and the place of the goal."""
        return np.concatenate([self.raw[4:18], self.raw[36:39]])

    @property
    def agent_pos(self) -> np.ndarray:
        """(4,): the hand's place in metres, and how far the fingers are apart."""
        return self.raw[:4].copy()

    def gaze(self, number: int = 0) -> np.ndarray:
        """(3,): the middle x, y of a thing in the picture and half the side of a square around it, as shares of a side."""
        place = self.raw[4 + 7 * number : 7 + 7 * number]
        if self.camera == "near":
            return NEAR.seen(place, LOOKED_AT, float(self.sim.model.vis.global_.fovy))
        camera = self.sim.data.cam(self.camera)
        fovy = float(self.sim.model.cam(self.camera).fovy[0])
        x, y, half = seen_from(camera.xpos, camera.xmat.reshape(3, 3), fovy, place, LOOKED_AT)
        return np.array([1 - x, 1 - y, half])


def simulation(task: str) -> Any:
    """MetaWorld's environment of a task, prepared as LeRobot does it: the goal is told, every reset is drawn from a seed."""
    sim = require_metaworld("metaworld.env_dict").ALL_V3_ENVIRONMENTS[task]()
    sim._set_task_called, sim._partially_observable = True, False
    sim._freeze_rand_vec, sim.seeded_rand_vec = False, True
    sim.__dict__.pop("sawyer_observation_space", None)  # it was computed for a hidden goal, and clips what is observed
    sim.model.cam_pos[sim.model.cam("corner2").id] = CORNER2_PLACE
    return sim


@lru_cache(maxsize=12)
def _renderer(task: str, size: int) -> Any:
    """One renderer for all environments of a task in this process; its model is its own, because tasks colour theirs."""
    sim = simulation(task)
    renderer = mujoco_renderer(sim.model, size, size)
    renderer.model.cam_pos[:] = sim.model.cam_pos
    return renderer
