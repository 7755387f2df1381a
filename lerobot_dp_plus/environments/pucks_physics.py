"""MetaWorld's pick-and-place table with three pucks instead of one. Needs the `metaworld` extra.

The robot, the steps and the controller are MetaWorld's. Two more pucks are appended to its scene, so that the numbers of
the first one stay where MetaWorld looks for them.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from lerobot_dp_plus.environments.metaworld_extra import require_metaworld

NAMES = ("obj", "puck_green", "puck_blue")
RGB = ((0.85, 0.1, 0.1), (0.1, 0.65, 0.15), (0.1, 0.2, 0.85))
RADIUS = 0.02  # of a puck, and half its height
FIRST = 9  # of qpos: where the first puck's seven numbers begin; those of the others follow
GOAL_RGBA = (0.95, 0.85, 0.1, 1.0)


@lru_cache
def _kind() -> Any:
    """MetaWorld's environment with our scene; made when it is first wanted, because it may not be installed."""
    mujoco = require_metaworld("mujoco")
    stock = require_metaworld("metaworld.envs.sawyer_pick_place_v3").SawyerPickPlaceEnvV3

    class ThreePucksSimulation(stock):  # type: ignore[misc, valid-type]
        """The scene, compiled with two more pucks."""

        def _initialize_simulation(self) -> tuple[Any, Any]:
            spec = mujoco.MjSpec.from_file(self.fullpath)
            first = spec.body(NAMES[0])
            for name, rgb in zip(NAMES, RGB, strict=True):
                body = first if name == NAMES[0] else spec.worldbody.add_body(name=name, pos=[0, 0.6, RADIUS])
                if name != NAMES[0]:
                    body.add_freejoint()
                    # The scene's compiler takes no mass from shapes.
                    body.mass, body.inertia, body.ipos, body.explicitinertial = (
                        first.mass,
                        first.inertia,
                        [0, 0, 0],
                        True,
                    )
                    like = first.geoms[0]
                    body.add_geom(
                        name=f"{name}_geom", type=like.type, size=like.size, friction=like.friction, condim=like.condim,
                        contype=1, conaffinity=1, solimp=like.solimp, solref=like.solref,
                    )  # fmt: skip
                body.geoms[0].material = ""
                body.geoms[0].rgba = [*rgb, 1]
            spec.site("goal").rgba = GOAL_RGBA  # it is blue, as a puck is
            model = spec.compile()
            return model, mujoco.MjData(model)

    return ThreePucksSimulation


class PucksPhysics:
    """Hand, gripper, three pucks and a goal.

    Attributes:
        goal: place of the goal, (3,), metres.
    """

    def __init__(self) -> None:
        self.sim = _kind()()
        self.sim._set_task_called, self.sim._freeze_rand_vec = True, False
        self.sim._partially_observable = False
        self.goal: np.ndarray = np.zeros(3)

    @property
    def model(self) -> Any:
        """The compiled scene."""
        return self.sim.model

    @property
    def data(self) -> Any:
        """Its state."""
        return self.sim.data

    def reset(self, places: np.ndarray, goal: np.ndarray) -> None:
        """The hand at its start, pucks at `places` (3, 2) on the table, the goal at `goal` (3,)."""
        sim = self.sim
        self.goal = np.asarray(goal, dtype=np.float64)
        require_metaworld("mujoco").mj_resetData(sim.model, sim.data)
        sim._reset_hand()
        sim._target_pos, sim.obj_init_pos = self.goal.copy(), np.array([*places[0], RADIUS])
        sim.init_left_pad, sim.init_right_pad = sim.get_body_com("leftpad"), sim.get_body_com("rightpad")
        sim.objHeight, sim.heightTarget, sim.maxPlacingDist, sim.maxPushDist = RADIUS, RADIUS + 0.04, 1.0, 1.0
        sim.model.site("goal").pos = self.goal
        qpos, qvel = sim.data.qpos.copy(), np.zeros_like(sim.data.qvel)
        for number, place in enumerate(places):
            start = FIRST + 7 * number
            qpos[start : start + 7] = [*place, RADIUS, 1, 0, 0, 0]
        sim.set_state(qpos, qvel)
        sim._prev_obs = sim._get_curr_obs_combined_no_goal()

    def step(self, action: np.ndarray) -> None:
        """One of MetaWorld's control steps, 12.5 ms, with an action (4,) from −1 to 1: x, y, z of the hand, grip."""
        sim = self.sim
        sim.set_xyz_action(action[:3])
        sim.do_simulation([action[3], -action[3]], n_frames=sim.frame_skip)

    @property
    def hand(self) -> np.ndarray:
        """(4,): place of the hand in metres, and how far the fingers are apart, from 0 to 1."""
        return self.sim._get_curr_obs_combined_no_goal()[:4].copy()

    @property
    def places(self) -> np.ndarray:
        """(3, 3), metres."""
        return np.stack([self.sim.data.body(name).xpos for name in NAMES])
