"""Three coloured pucks before a Sawyer arm, a goal, and a sentence that says which puck to bring."""

from functools import lru_cache
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from lerobot_dp_plus.environments.mujoco_pictures import View, mujoco_renderer
from lerobot_dp_plus.environments.pucks_physics import RADIUS, PucksPhysics
from lerobot_dp_plus.environments.sentences import COLOURS, KINDS, Instruction, Thing, instruct

REPEAT = 2  # of an action: half as many decisions, which costs the expert nothing worth naming
FPS = 40
OBS_TYPES = ("pixels_agent_pos", "environment_state_agent_pos")
#: In front of the arm: nothing is hidden at 64×64.
VIEW = View(lookat=(0.0, 0.69, 0.04), distance=0.68, azimuth=-90.0, elevation=-52.0)
TABLE = np.array([[-0.18, 0.58], [0.18, 0.74]])  # where pucks start
GOALS = np.array([[-0.12, 0.8, 0.1], [0.12, 0.86, 0.1]])
APART = 0.1
NEAR = 0.07  # MetaWorld's: a puck this near to the goal is delivered
LIFTED = 0.045  # height of a puck's middle that counts as grasped


def check_options(obs_type: str, instruction: str, size: int) -> None:
    """Raise a ValueError naming the option, its value and what is legal."""
    for name, value, legal in (("obs_type", obs_type, OBS_TYPES), ("instruction", instruction, KINDS)):
        if value not in legal:
            raise ValueError(f"{name}={value!r}: legal are {', '.join(legal)}")
    if not 16 <= size <= 1024:
        raise ValueError(f"observation_size={size}: legal are 16 to 1024 pixels")


class ThreePucks(gym.Env):
    """Lift the named puck to the goal. 40 Hz, each action executed for two of MetaWorld's steps.

    Pucks are numbered as their colours are in `COLOURS`. Observation: `agent_pos` (4,), the hand's place in metres and how
    far the fingers are apart; and `pixels` (S, S, 3) uint8 or `environment_state` (12,), the places of the pucks and of the
    goal. Action (4,), MetaWorld's: velocity of the hand and grip, from −1 to 1. `reset` takes the option `instruction` as
    `Blocks` does, and `info` holds the same; a puck counts as grasped once it is lifted.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": FPS}  # noqa: RUF012, gymnasium's declaration

    def __init__(
        self,
        obs_type: str = "pixels_agent_pos",
        instruction: str = "named",
        observation_size: int = 64,
        render_mode: str = "rgb_array",
    ) -> None:
        """Make the environment; options as those of `Blocks`.

        Raises:
            ValueError: an option is illegal. MissingExtra: MetaWorld is not installed.
        """
        check_options(obs_type, instruction, observation_size)
        if render_mode != "rgb_array":
            raise ValueError(f"render_mode={render_mode!r}: legal is rgb_array")
        self.obs_type, self.instruction, self.render_mode = obs_type, instruction, render_mode
        self._size = observation_size
        self.physics = PucksPhysics()
        parts: dict[str, spaces.Space] = {"agent_pos": spaces.Box(-np.inf, np.inf, (4,), np.float64)}
        if obs_type == "pixels_agent_pos":
            parts["pixels"] = spaces.Box(0, 255, (observation_size, observation_size, 3), np.uint8)
        else:
            parts["environment_state"] = spaces.Box(-np.inf, np.inf, (12,), np.float64)
        self.observation_space = spaces.Dict(parts)
        self.action_space = spaces.Box(-1, 1, (4,), np.float32)
        self.said = Instruction("", tuple(range(len(COLOURS))))

    @property
    def task_description(self) -> str:
        """The sentence of this episode."""
        return self.said.sentence

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        super().reset(seed=seed)
        number = int(self.np_random.integers(2**31)) if seed is None else seed
        rng = np.random.default_rng([number, 0])
        self.physics.reset(_apart(rng), rng.uniform(*GOALS))
        self.grasped = self.delivered = -1
        self.target = int(rng.integers(len(COLOURS)))
        things = [Thing(colour, "puck") for colour in COLOURS]
        kind = (options or {}).get("instruction", self.instruction)
        # A stream of its own: the same scene, whatever is said.
        self.said = instruct(kind, self.target, things, np.random.default_rng([number, 2]), "mark")
        return self._observation(), self._info()

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        for _ in range(REPEAT):
            self.physics.step(np.asarray(action, dtype=np.float64))
        places = self.physics.places
        lifted = np.flatnonzero(places[:, 2] > LIFTED)
        if len(lifted) and self.grasped < 0:
            self.grasped = int(lifted[0])
        near = np.flatnonzero(np.linalg.norm(places - self.physics.goal, axis=1) <= NEAR)
        if len(near):
            self.delivered = int(near[0])
        info = self._info()
        return self._observation(), float(info["is_success"]), info["is_success"], False, info

    def render(self) -> np.ndarray:
        """(S, S, 3) uint8, as it is observed."""
        renderer = _renderer(self._size)
        renderer.update_scene(self.physics.data, camera=VIEW.camera())
        return renderer.render()

    @property
    def environment_state(self) -> np.ndarray:
        """(12,), metres: the places of the pucks, and of the goal."""
        return np.concatenate([self.physics.places.ravel(), self.physics.goal])

    @property
    def agent_pos(self) -> np.ndarray:
        """(4,): the hand's place in metres, and how far the fingers are apart."""
        return self.physics.hand

    def gaze(self, number: int) -> np.ndarray:
        """(3,): the middle x, y of a puck in the picture and half the side of a square around it, as shares of a side."""
        fovy = float(self.physics.model.vis.global_.fovy)
        return VIEW.seen(self.physics.places[number], 1.5 * RADIUS, fovy)

    def _observation(self) -> dict[str, Any]:
        if self.obs_type == "pixels_agent_pos":
            return {"agent_pos": self.agent_pos, "pixels": self.render()}
        return {"agent_pos": self.agent_pos, "environment_state": self.environment_state}

    def _info(self) -> dict[str, Any]:
        numbers = {"named": self.said.named, "fits": self.said.fits, "target": self.target}
        met = {"grasped": self.grasped, "delivered": self.delivered}
        return {**numbers, **met, "is_success": self.delivered in self.said.fits}


@lru_cache
def _renderer(size: int) -> Any:
    """One renderer for all environments of this process: they have the same scene, and each its own state."""
    return mujoco_renderer(PucksPhysics().model, size, size)


def _apart(rng: np.random.Generator) -> np.ndarray:
    """Places of pucks on the table, (3, 2), each `APART` from the others."""
    while True:
        places = rng.uniform(TABLE[0], TABLE[1], (len(COLOURS), 2))
        distances = np.linalg.norm(places[:, None] - places[None], axis=2) + np.eye(len(COLOURS))
        if distances.min() >= APART:
            return places
