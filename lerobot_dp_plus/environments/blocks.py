"""A table with three things, a gripper that moves over it, a tray, and a sentence that says what to bring.

It is kinematic: no forces, no contacts, hundreds of episodes a second. It is for tests, and to see on two cores whether a
policy hears what it is told.
"""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from lerobot_dp_plus.environments.blocks_picture import draw, table
from lerobot_dp_plus.environments.sentences import COLOURS, KINDS, Instruction, Thing, instruct

FPS = 10
OBS_TYPES = ("pixels_agent_pos", "environment_state_agent_pos")
SHAPES = ("disc", "square", "triangle")
OBJECTS = len(COLOURS)
#: Numbers that are observed of a thing: its place, and a one for its shape.
PLACE = 2 + len(SHAPES)
SPEED = 0.08  # of the gripper in a step; the table is 1 wide and 1 deep
REACH = 0.04  # between the gripper and the middle of what it grasps
TRAY = np.array([[0.3, 0.78], [0.7, 0.96]])  # its corners
APART = 0.2  # least distance of things at the start


def check_options(obs_type: str, instruction: str, size: int) -> None:
    """Raise a ValueError naming the option, its value and what is legal."""
    for name, value, legal in (("obs_type", obs_type, OBS_TYPES), ("instruction", instruction, KINDS)):
        if value not in legal:
            raise ValueError(f"{name}={value!r}: legal are {', '.join(legal)}")
    if not 16 <= size <= 512:
        raise ValueError(f"observation_size={size}: legal are 16 to 512 pixels")


class Blocks(gym.Env):
    """Bring the named thing to the tray. 10 Hz.

    Things are numbered as their colours are in `COLOURS`; shape, size, angle and place are random. Places are x to the
    right and y downwards, from 0 to 1, on the table and in the picture alike.

    Observation: `agent_pos` (3,), the gripper's place and 1 if it is closed; and `pixels` (S, S, 3) uint8 or
    `environment_state` (15,), for each thing its place and which shape it has. Action (3,): the place to go to, at
    most `SPEED` a step, and whether to be closed, above 0.5. A gripper that closes over a thing grasps it. `reset` takes
    the option `instruction`, a kind of sentence, which is said instead of the usual one in the same scene.

    `task_description` is the sentence of this episode. `info` holds `named`, the number of the thing that it names, or −1
    if it fits several; `fits`, the numbers of all that it fits; `target`, one that is meant in this scene, whatever is said; `grasped`, the first thing that was
    grasped, and `delivered`, the last one put on the tray, both −1 if there is none; and `is_success`, whether what was
    delivered fits the sentence, which ends an episode.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": FPS}  # noqa: RUF012, gymnasium's declaration

    def __init__(
        self,
        obs_type: str = "pixels_agent_pos",
        instruction: str = "named",
        observation_size: int = 64,
        render_mode: str = "rgb_array",
    ) -> None:
        """Make the environment.

        Args:
            obs_type: one of `OBS_TYPES`.
            instruction: the usual kind of sentences, one of `sentences.KINDS`.
            observation_size: height and width of pictures.
            render_mode: `rgb_array`, nothing else.

        Raises:
            ValueError: an option is illegal.
        """
        check_options(obs_type, instruction, observation_size)
        if render_mode != "rgb_array":
            raise ValueError(f"render_mode={render_mode!r}: legal is rgb_array")
        self.obs_type, self.instruction, self.render_mode = obs_type, instruction, render_mode
        self._size = observation_size
        parts: dict[str, spaces.Space] = {"agent_pos": spaces.Box(0, 1, (3,), np.float64)}
        if obs_type == "pixels_agent_pos":
            parts["pixels"] = spaces.Box(0, 255, (observation_size, observation_size, 3), np.uint8)
        else:
            parts["environment_state"] = spaces.Box(0, 1, (OBJECTS * PLACE,), np.float64)
        self.observation_space = spaces.Dict(parts)
        self.action_space = spaces.Box(0, 1, (3,), np.float32)
        self.said = Instruction("", tuple(range(OBJECTS)))

    @property
    def task_description(self) -> str:
        """The sentence of this episode."""
        return self.said.sentence

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        super().reset(seed=seed)
        number = int(self.np_random.integers(2**31)) if seed is None else seed
        rng = np.random.default_rng([number, 0])
        self.shapes = rng.integers(len(SHAPES), size=OBJECTS)
        self.sizes = rng.uniform(0.05, 0.075, OBJECTS)
        self.angles = rng.uniform(0, 2 * np.pi, OBJECTS)
        self.places = _apart(rng)
        self.gripper = rng.uniform([0.2, 0.2], [0.8, 0.8])
        self.closed, self.held = False, -1
        self.grasped = self.delivered = -1
        self.target = int(rng.integers(OBJECTS))
        self._table = table(np.random.default_rng([number, 1]), self._size)
        things = [Thing(colour, SHAPES[shape]) for colour, shape in zip(COLOURS, self.shapes, strict=True)]
        kind = (options or {}).get("instruction", self.instruction)
        # A stream of its own: the same scene, whatever is said.
        self.said = instruct(kind, self.target, things, np.random.default_rng([number, 2]))
        return self._observation(), self._info()

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        way = np.clip(np.asarray(action[:2], dtype=np.float64), 0, 1) - self.gripper
        self.gripper = self.gripper + way * min(1.0, SPEED / max(float(np.linalg.norm(way)), 1e-9))
        closing, opening = action[2] > 0.5 and not self.closed, action[2] <= 0.5 and self.closed
        self.closed = bool(action[2] > 0.5)
        if closing:
            distances = np.linalg.norm(self.places - self.gripper, axis=1)
            if distances.min() <= REACH:
                self.held = int(distances.argmin())
                self.grasped = self.held if self.grasped < 0 else self.grasped
        if self.held >= 0:
            self.places[self.held] = self.gripper
        if opening and self.held >= 0:
            if self.in_tray(self.gripper):
                self.delivered = self.held
            self.held = -1
        info = self._info()
        return self._observation(), float(info["is_success"]), info["is_success"], False, info

    def render(self) -> np.ndarray:
        """(S, S, 3) uint8, as it is observed."""
        return draw(self._table, self.places, self.shapes, self.sizes, self.angles, self.gripper, self.closed, TRAY)

    @property
    def environment_state(self) -> np.ndarray:
        """(15,): for each thing x, y, and a one for its shape."""
        return np.concatenate([self.places, np.eye(len(SHAPES))[self.shapes]], axis=1).ravel()

    @property
    def agent_pos(self) -> np.ndarray:
        """(3,): x and y of the gripper, and 1 if it is closed."""
        return np.append(self.gripper, float(self.closed))

    def in_tray(self, place: np.ndarray) -> bool:
        """Whether a place (2,) is on the tray."""
        return bool(((TRAY[0] <= place) & (place <= TRAY[1])).all())

    def gaze(self, number: int) -> np.ndarray:
        """(3,): the middle x, y of a thing in the picture and half the side of a square around it, as shares of a side."""
        return np.append(self.places[number], 1.4 * self.sizes[number])

    def _observation(self) -> dict[str, Any]:
        if self.obs_type == "pixels_agent_pos":
            return {"agent_pos": self.agent_pos, "pixels": self.render()}
        return {"agent_pos": self.agent_pos, "environment_state": self.environment_state}

    def _info(self) -> dict[str, Any]:
        numbers = {"named": self.said.named, "fits": self.said.fits, "target": self.target}
        met = {"grasped": self.grasped, "delivered": self.delivered}
        return {**numbers, **met, "is_success": self.delivered in self.said.fits}


def _apart(rng: np.random.Generator) -> np.ndarray:
    """Places of things, (3, 2), each `APART` from the others and off the tray."""
    while True:
        places = rng.uniform([0.1, 0.1], [0.9, 0.65], (OBJECTS, 2))
        distances = np.linalg.norm(places[:, None] - places[None], axis=2) + np.eye(OBJECTS)
        if distances.min() >= APART:
            return places
