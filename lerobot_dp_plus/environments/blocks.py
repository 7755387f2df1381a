"""A table with three things, a gripper that moves over it, a tray, and a sentence that says what to bring.

It is kinematic: no forces, no contacts, hundreds of episodes a second. It is for tests, and to see on two cores whether a
policy hears what it is told.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from gymnasium import spaces

from lerobot_dp_plus.environments.blocks_picture import draw, table
from lerobot_dp_plus.environments.sentences import COLOURS, Thing
from lerobot_dp_plus.environments.told import Told, scattered

FPS = 10
SHAPES = ("disc", "square", "triangle")
OBJECTS = len(COLOURS)
#: Numbers that are observed of a thing: its place, and a one for its shape.
PLACE = 2 + len(SHAPES)
SPEED = 0.08  # of the gripper in a step; the table is 1 wide and 1 deep
REACH = 0.04  # between the gripper and the middle of what it grasps
TRAY = np.array([[0.3, 0.78], [0.7, 0.96]])  # its corners
START = np.array([[0.1, 0.1], [0.9, 0.65]])  # where things are at the start, off the tray
APART = 0.2  # their least distance


class Blocks(Told):
    """Bring the named thing to the tray. 10 Hz.

    Shape, size, angle and place of things are random. Places are x to the
    right and y downwards, from 0 to 1, on the table and in the picture alike.

    Observation: `agent_pos` (3,), the gripper's place and 1 if it is closed; and `pixels` (S, S, 3) uint8 or
    `environment_state` (15,), for each thing its place and which shape it has. Action (3,): the place to go to, at
    most `SPEED` a step, and whether to be closed, above 0.5. A gripper that closes over a thing grasps it. A thing that is let go
    over the tray is delivered. Instructions and `info` are those of `Told`.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": FPS}  # noqa: RUF012, gymnasium's declaration

    largest: ClassVar[int] = 512
    goal: ClassVar[str] = "tray"
    state_space: ClassVar[spaces.Box] = spaces.Box(0, 1, (3,), np.float64)
    things_space: ClassVar[spaces.Box] = spaces.Box(0, 1, (OBJECTS * PLACE,), np.float64)
    actions: ClassVar[spaces.Box] = spaces.Box(0, 1, (3,), np.float32)

    def _arrange(self, rng: np.random.Generator, number: int) -> Sequence[Thing]:
        self.shapes = rng.integers(len(SHAPES), size=OBJECTS)
        self.sizes = rng.uniform(0.05, 0.075, OBJECTS)
        self.angles = rng.uniform(0, 2 * np.pi, OBJECTS)
        self.places = scattered(rng, START, APART)
        self.gripper = rng.uniform([0.2, 0.2], [0.8, 0.8])
        self.closed, self.held = False, -1
        self._table = table(np.random.default_rng([number, 1]), self._size)
        return [Thing(colour, SHAPES[shape]) for colour, shape in zip(COLOURS, self.shapes, strict=True)]

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
        return self._outcome()

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
