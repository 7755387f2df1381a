"""One recording with the made-up SO-101 from two numbers: the person who leads it, and what episode `index` is.

Kept free of lerobot, so that a spawned worker starts in a second.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lerobot_dp_plus.demos.episode_files import episode_file, load, played_once
from lerobot_dp_plus.environments.so101 import CUBE, SENTENCES, So101, forward, inverse
from lerobot_dp_plus.environments.so101_pictures import front, wrist

FIRST_SEED, LAST_SEED = 20_000, 89_999  # of tables; policies are chosen and reported on higher ones
ABOVE = 0.08  # how high the hand goes on its way, metres
_STEPS, _NEAR = 150, 0.006  # at most; where the tip counts as being there, metres
_TREMBLE = 0.6  # standard deviation of a hand, degrees


@dataclass(frozen=True)
class Recipe:
    """What a run of recordings is made of.

    seed: of the run; episode i depends on (seed, i) and the size of the pictures only.
    height, width: of the pictures of both cameras.

    Raises:
        ValueError: a field is illegal; the message names it, its value and what is legal.
    """

    seed: int = 0
    height: int = 480
    width: int = 640

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed={self.seed}: legal are integers from 0")
        if min(self.height, self.width) < 32 or self.height % 2 or self.width % 2:
            raise ValueError(f"resolution={self.height}x{self.width}: legal are even numbers from 32")


@dataclass
class Leader:
    """Goes above the target, down to it, and closes. It sees where everything is.

    target: number of the cube.
    pace: share of the greatest speed.
    roll, opens: of the wrist, degrees; of the gripper on its way.
    """

    target: int
    pace: float = 1.0
    roll: float = 0.0
    opens: float = 60.0
    stage: int = 0

    def act(self, arm: So101) -> np.ndarray:
        """Joint targets (6,), at most so far ahead as `pace` allows."""
        cube, joints = arm.table.cubes[self.target], arm.table.joints
        places = np.array([[*cube, ABOVE], [*cube, CUBE]])
        if self.stage < 2 and np.linalg.norm(forward(joints) - places[self.stage]) < _NEAR * (3 - 2 * self.stage):
            self.stage += 1
        wanted = inverse(places[min(self.stage, 1)], self.opens if self.stage < 2 else 0.0)
        wanted[4] = self.roll
        return joints + np.clip(wanted - joints, -12 * self.pace, 12 * self.pace)


def environment_seed(recipe: Recipe, index: int) -> int:
    """The seed of the table of episode `index`."""
    return FIRST_SEED + (recipe.seed * 10_007 + index) % (LAST_SEED - FIRST_SEED + 1)


def generate(recipe: Recipe, index: int) -> dict[str, Any]:
    """Play episode `index`: `state`, `action`, `front`, `wrist`, `reward`, T steps each; `task` and `success`."""
    rng = np.random.default_rng([recipe.seed, index])
    arm, target = So101(), index % len(SENTENCES)
    arm.reset(environment_seed(recipe, index))
    leader = Leader(target, rng.uniform(0.6, 1.0), rng.uniform(-20, 20), rng.uniform(45, 80))
    lingers = int(rng.integers(3, 10))
    rows: dict[str, list[Any]] = {name: [] for name in ("state", "action", "front", "wrist", "reward")}
    while len(rows["reward"]) < _STEPS and lingers:
        action = leader.act(arm) + rng.normal(0, _TREMBLE, 6)
        rows["state"].append(arm.table.joints)
        rows["action"].append(action)
        for camera, seen in (("front", front), ("wrist", wrist)):
            rows[camera].append(seen(arm.table, recipe.height, recipe.width))
        held = arm.step(action)
        rows["reward"].append(float(held))
        lingers -= held
    record = {name: np.array(values) for name, values in rows.items()}
    return record | {"task": np.array(SENTENCES[target]), "success": np.array(arm.table.held == target)}


def generate_file(recipe: Recipe, index: int, folder: Path) -> bool:
    """Play episode `index` into its file, unless it is there already; whether the target is held."""
    kept = played_once(episode_file(folder, index), lambda: generate(recipe, index))
    return bool(load(kept, "success")["success"])
