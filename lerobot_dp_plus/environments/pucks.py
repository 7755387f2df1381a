"""Three coloured pucks before a Sawyer arm, a goal, and a sentence that says which puck to bring."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces

from lerobot_dp_plus.environments.mujoco_pictures import View, mujoco_renderer
from lerobot_dp_plus.environments.pucks_physics import RADIUS, PucksPhysics
from lerobot_dp_plus.environments.sentences import COLOURS, Thing
from lerobot_dp_plus.environments.told import Told, scattered

REPEAT = 2  # of an action: half as many decisions, which costs the expert nothing worth naming
FPS = 40
#: In front of the arm: nothing is hidden at 64×64.
VIEW = View(lookat=(0.0, 0.69, 0.04), distance=0.68, azimuth=-90.0, elevation=-52.0)
TABLE = np.array([[-0.18, 0.58], [0.18, 0.74]])  # where pucks start
GOALS = np.array([[-0.12, 0.8, 0.1], [0.12, 0.86, 0.1]])
APART = 0.1
NEAR = 0.07  # MetaWorld's: a puck this near to the goal is delivered
LIFTED = 0.045  # height of a puck's middle that counts as grasped


class ThreePucks(Told):
    """Lift the named puck to the goal. 40 Hz, each action executed for two of MetaWorld's steps.

    Observation: `agent_pos` (4,), the hand's place in metres and how
    far the fingers are apart; and `pixels` (S, S, 3) uint8 or `environment_state` (12,), the places of the pucks and of the
    goal. Action (4,), MetaWorld's: velocity of the hand and grip, from −1 to 1. Instructions and `info` are those of `Told`; a
    puck counts as grasped once it is lifted.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": FPS}  # noqa: RUF012, gymnasium's declaration

    largest: ClassVar[int] = 1024
    goal: ClassVar[str] = "mark"
    state_space: ClassVar[spaces.Box] = spaces.Box(-np.inf, np.inf, (4,), np.float64)
    things_space: ClassVar[spaces.Box] = spaces.Box(-np.inf, np.inf, (12,), np.float64)
    actions: ClassVar[spaces.Box] = spaces.Box(-1, 1, (4,), np.float32)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make the environment; options as those of `Told`.

        Raises:
            ValueError: an option is illegal. MissingExtra: MetaWorld is not installed.
        """
        super().__init__(*args, **kwargs)
        self.physics = PucksPhysics()

    def _arrange(self, rng: np.random.Generator, number: int) -> Sequence[Thing]:
        self.physics.reset(scattered(rng, TABLE, APART), rng.uniform(*GOALS))
        return [Thing(colour, "puck") for colour in COLOURS]

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
        return self._outcome()

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


@lru_cache
def _renderer(size: int) -> Any:
    """One renderer for all environments of this process: they have the same scene, and each its own state."""
    return mujoco_renderer(PucksPhysics().model, size, size)
