"""One demonstration on MetaWorld's table from two numbers, by the experts that come with MetaWorld.

Kept free of lerobot, so that a spawned worker starts in a second.
"""

import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from lerobot_dp_plus.demos.episode_files import episode_file, load, played_once
from lerobot_dp_plus.environments.metaworld_extra import require_metaworld
from lerobot_dp_plus.environments.metaworld_lite import CAMERAS, MetaworldLite
from lerobot_dp_plus.environments.metaworld_tasks import expert_of, groups_of
from lerobot_dp_plus.environments.pucks import ThreePucks

PUCKS = "three-pucks"
FIRST_SEED, LAST_SEED = 20_000, 89_999  # of scenes; policies are chosen and reported on higher ones
_STEPS = {True: 100, False: 400}  # at most, of pucks and of other tasks
_PUSHED, _PUSHED_STEPS = 0.25, 12  # standard deviation of what disturbs an action, and for how many steps at most


@dataclass(frozen=True)
class Recipe:
    """What a run of demonstrations is made of.

    task: `three-pucks`, or MetaWorld's as `--env.task` of `metaworld_lite` names them; episodes take turns.
    seed: of the run; episode i depends on (task, seed, i) and what follows only.
    images: also record pictures.
    size: height and width of the pictures.
    camera: of the pictures, and of the gaze; three-pucks has its own.
    ambiguous: share of the episodes of three-pucks whose sentence fits all pucks; one is brought, drawn at random.
    disturbed: share of the episodes in which the first actions are disturbed. What is recorded is what the expert wanted
        to do, not what was done.

    Raises:
        ValueError: a field is illegal; the message names it, its value and what is legal.
    """

    task: str
    seed: int = 0
    images: bool = False
    size: int = 96
    camera: str = "corner2"
    ambiguous: float = 1 / 3
    disturbed: float = 0.5

    def __post_init__(self) -> None:
        if not self.pucks:
            groups_of(self.task)
        if self.seed < 0:
            raise ValueError(f"seed={self.seed}: legal are integers from 0")
        if self.camera not in CAMERAS:
            raise ValueError(f"camera={self.camera!r}: legal are {', '.join(CAMERAS)}")
        if not 16 <= self.size <= 1024:
            raise ValueError(f"size={self.size}: legal are 16 to 1024 pixels")
        for name in ("ambiguous", "disturbed"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)}: legal are shares from 0 to 1")

    @property
    def pucks(self) -> bool:
        """Whether it is about three pucks."""
        return self.task == PUCKS

    @property
    def tasks(self) -> list[str]:
        """The tasks in turn."""
        return [PUCKS] if self.pucks else [task for tasks in groups_of(self.task).values() for task in tasks]


@lru_cache(maxsize=4)
def environment(task: str, size: int, camera: str) -> Any:
    """`ThreePucks` or `MetaworldLite`; made once in a process."""
    if task == PUCKS:
        return ThreePucks("environment_state_agent_pos", observation_size=size)
    return MetaworldLite(task, "environment_state_agent_pos", "named", size, camera)


@lru_cache
def _expert(task: str) -> Any:
    return getattr(require_metaworld("metaworld.policies"), expert_of(task))()


def expert_action(env: Any, task: str) -> np.ndarray:
    """What MetaWorld's expert does in the present state, (4,) from −1 to 1; to the target, where there are three pucks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # its gains may ask for more than 1, which is cut below
        if task != PUCKS:
            return np.clip(_expert(task).get_action(env.raw), -1, 1)
        seen = np.zeros(39)
        seen[:4], seen[4:7], seen[10], seen[-3:] = env.agent_pos, env.physics.places[env.target], 1, env.physics.goal
        return np.clip(_expert("pick-place-v3").get_action(seen), -1, 1)


def generate(recipe: Recipe, index: int) -> dict[str, Any]:
    """Play episode `index`: `state`, `objects`, `gaze`, `action`, (`image`,) T steps each; `task`, `reward`, `success`."""
    tasks = recipe.tasks
    task = tasks[index % len(tasks)]
    rng = np.random.default_rng([recipe.seed, index, 0])
    env = environment(task, recipe.size, recipe.camera)
    kind = "ambiguous" if recipe.pucks and rng.random() < recipe.ambiguous else "named"
    seed = FIRST_SEED + (recipe.seed * 10_007 + index) % (LAST_SEED - FIRST_SEED + 1)
    env.reset(seed=seed, options={"instruction": kind})
    pushed = int(rng.integers(2, _PUSHED_STEPS + 1)) if rng.random() < recipe.disturbed else 0
    target = env.target if recipe.pucks else 0
    rows: dict[str, list[Any]] = {name: [] for name in ("state", "objects", "gaze", "action", "reward")}
    images, success = [], False
    for step in range(_STEPS[recipe.pucks]):
        action = expert_action(env, task)
        for name, value in zip(rows, (env.agent_pos, env.environment_state, env.gaze(target), action), strict=False):
            rows[name].append(value)
        if recipe.images:
            images.append(env.render())
        push = rng.normal(0, _PUSHED, 4) * [1, 1, 1, 0] if step < pushed else 0.0
        _, reward, success, _, info = env.step(np.clip(action + push, -1, 1))
        rows["reward"].append(reward)
        if success:
            break
    right = success and (not recipe.pucks or info["delivered"] == env.target)
    record = {name: np.array(values) for name, values in rows.items()}
    record |= {"task": np.array(env.task_description), "success": np.array(right), "ended": np.array(success)}
    return record | ({"image": np.array(images)} if recipe.images else {})


def generate_file(recipe: Recipe, index: int, folder: Path) -> bool:
    """Play episode `index` into its file, unless it is there already; whether it did what was meant."""
    kept = played_once(episode_file(folder, index), lambda: generate(recipe, index))
    return bool(load(kept, "success")["success"])
