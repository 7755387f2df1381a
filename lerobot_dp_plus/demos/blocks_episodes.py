"""One demonstration in `blocks` from two numbers: the expert, and what episode `index` of a seeded run is.

Kept free of lerobot, so that a spawned worker starts in a second.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lerobot_dp_plus.demos.episode_files import episode_file, load, played_once
from lerobot_dp_plus.environments.blocks import SPEED, TRAY, Blocks
from lerobot_dp_plus.environments.sentences import COLOURS

FIRST_SEED, LAST_SEED = 20_000, 89_999  # of scenes; policies are chosen and reported on higher ones
_STEPS = 80  # at most
_NEAR = 0.01  # where the gripper counts as being there
_PUSHES, _PUSHED = 2, 0.08  # how often the gripper is pushed in a disturbed episode, and how far in standard deviations


@dataclass(frozen=True)
class Recipe:
    """What a run of demonstrations is made of.

    seed: of the run; episode i depends on (seed, i) and what follows only.
    images: also record pictures.
    size: height and width of the pictures.
    ambiguous: share of the episodes whose sentence fits several things; one of them is brought, drawn at random.
    disturbed: share of the episodes in which the gripper is pushed on its way. What is recorded is what the expert
        wanted to do, not what was done.

    Raises:
        ValueError: a field is illegal; the message names it, its value and what is legal.
    """

    seed: int = 0
    images: bool = False
    size: int = 64
    ambiguous: float = 1 / 3
    disturbed: float = 0.3

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed={self.seed}: legal are integers from 0")
        for name in ("ambiguous", "disturbed"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)}: legal are shares from 0 to 1")


@dataclass
class Expert:
    """Goes to the target, closes, goes to a place on the tray, opens. It sees where everything is.

    target: number of the thing to bring.
    end: place on the tray (2,).
    pace: share of the greatest speed.
    """

    target: int
    end: np.ndarray
    pace: float = 1.0

    def doing(self, env: Blocks) -> str:
        """The part of the task that it is at in the present state."""
        what = f"the {COLOURS[self.target]} one"
        if env.held == self.target:
            return f"carry {what} to the tray"
        return "let go" if env.closed else f"reach for {what}"

    def act(self, env: Blocks) -> np.ndarray:
        """The action (3,) in the present state, whatever came before."""
        holds = env.held == self.target
        if env.closed and not holds:
            return np.array([*env.gripper, 0.0])  # nothing, or the wrong thing
        goal = self.end if holds else env.places[self.target]
        way = goal - env.gripper
        distance = float(np.linalg.norm(way))
        there = distance <= _NEAR
        place = env.gripper + way * min(1.0, self.pace * SPEED / max(distance, 1e-9))
        return np.array([*place, float(holds != there)])  # closes at the thing, opens on the tray


def environment_seed(recipe: Recipe, index: int) -> int:
    """The seed of the scene of episode `index`."""
    return FIRST_SEED + (recipe.seed * 10_007 + index) % (LAST_SEED - FIRST_SEED + 1)


def generate(recipe: Recipe, index: int) -> dict[str, Any]:
    """Play episode `index`: `state`, `objects`, `gaze`, `action`, `subtask`, (`image`,) T steps each; `task`, `reward`, `success`."""
    rng = np.random.default_rng([recipe.seed, index])
    env = Blocks("environment_state_agent_pos", observation_size=recipe.size)
    kind = "ambiguous" if rng.random() < recipe.ambiguous else "named"
    env.reset(seed=environment_seed(recipe, index), options={"instruction": kind})
    margin = 0.04
    expert = Expert(env.target, rng.uniform(TRAY[0] + margin, TRAY[1] - margin), rng.uniform(0.75, 1))
    # Few of them: what follows a push cannot be foreseen, so every push in a chunk is noise in what is learned from it.
    pushed = set(rng.integers(1, 12, _PUSHES).tolist()) if rng.random() < recipe.disturbed else set()
    rows: dict[str, list[Any]] = {name: [] for name in ("state", "objects", "gaze", "action", "subtask", "reward")}
    images, success = [], False
    for step in range(_STEPS):
        action = expert.act(env)
        seen = (env.agent_pos, env.environment_state, env.gaze(env.target), action, expert.doing(env))
        for name, value in zip(rows, seen, strict=False):
            rows[name].append(value)
        if recipe.images:
            images.append(env.render())
        push = np.append(rng.normal(0, _PUSHED, 2), 0) if step in pushed else 0.0
        _, reward, success, _, info = env.step(action + push)
        rows["reward"].append(reward)
        if success:
            break
    record = {name: np.array(values) for name, values in rows.items()}
    record |= {"task": np.array(env.task_description), "target": np.array(env.target)}
    record["success"] = np.array(success and info["delivered"] == env.target)
    return record | ({"image": np.array(images)} if recipe.images else {})


def generate_file(recipe: Recipe, index: int, folder: Path) -> bool:
    """Play episode `index` into its file, unless it is there already; whether the target was brought."""
    kept = played_once(episode_file(folder, index), lambda: generate(recipe, index))
    return bool(load(kept, "success")["success"])
