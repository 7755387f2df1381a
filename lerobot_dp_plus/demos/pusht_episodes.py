"""One PushT demonstration from two numbers: what episode `index` of a seeded run is, whoever computes it and when.

Kept free of lerobot, so that a spawned worker starts in a second.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lerobot_dp_plus.demos.episode_files import episode_file, load, played_once
from lerobot_dp_plus.demos.options import DISTURBED, NEAR
from lerobot_dp_plus.demos.pusht_expert import Episode, Style, play
from lerobot_dp_plus.demos.pusht_features import PushTEnv
from lerobot_dp_plus.demos.pusht_model import ARENA, CENTRE, GOAL, GYRATION, RADIUS, clearance, to_frame

FIRST_SEED, LAST_SEED = 20_000, 99_999  # of env.reset; results are reported on seeds from 100,000 on
_NEAR = (6.0, 60.0)  # pixels (of `goal_distance`'s kind) from the goal at which near starts are drawn
_TOUCH = (3.0, 120.0)  # pixels between disc and T at near starts


@dataclass(frozen=True)
class Recipe:
    """What a run of demonstrations is made of.

    seed: of the run; episode i depends on (seed, i) only.
    disturbed: share of episodes whose execution is disturbed while the undisturbed targets are recorded.
    near: share of episodes that start near the goal.
    images: also record rendered pixels.

    Raises:
        ValueError: seed < 0, or a share outside [0, 1].
    """

    seed: int = 0
    disturbed: float = DISTURBED
    near: float = NEAR
    images: bool = False

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed={self.seed}: legal are integers from 0")
        for name, share in (("disturbed", self.disturbed), ("near", self.near)):
            if not 0 <= share <= 1:
                raise ValueError(f"{name}={share}: legal is a share from 0 to 1")


def start_of(recipe: Recipe, index: int, rng: np.random.Generator) -> tuple[int, list[float] | None]:
    """How episode `index` begins: the seed for `env.reset`, and its `reset_to_state` option or None."""
    seed = FIRST_SEED + (recipe.seed * 10_007 + index) % (LAST_SEED - FIRST_SEED + 1)
    if rng.random() >= recipe.near:
        return seed, None
    distance = float(np.exp(rng.uniform(*np.log(_NEAR))))
    direction = rng.normal(0, 1, 3)
    direction /= np.linalg.norm(direction)
    pose = GOAL + distance * direction / [1, 1, GYRATION]
    while True:
        agent = rng.uniform(RADIUS, ARENA - RADIUS, 2)
        if _TOUCH[0] < clearance(to_frame(agent, pose))[0] - RADIUS < _TOUCH[1]:
            break
    # gym_pusht sets the position at angle 0 and then turns the T about its centre of gravity.
    return seed, [*agent.tolist(), *(pose[:2] - CENTRE).tolist(), float(pose[2])]


def reset(env: PushTEnv, seed: int, state: list[float] | None) -> None:
    """Reset a bare environment to a start as `start_of` describes it."""
    env.reset(seed=seed, options=None if state is None else {"reset_to_state": state})


def generate(recipe: Recipe, index: int) -> tuple[Episode | None, dict[str, np.ndarray]]:
    """Play episode `index`; returns it (None if the expert had no idea) and its start, as arrays to keep."""
    rng = np.random.default_rng([recipe.seed, index])
    seed, state = start_of(recipe, index, rng)
    style = Style.draw(rng, disturbed=bool(rng.random() < recipe.disturbed))
    env = PushTEnv(obs_type="state")
    reset(env, seed, state)
    start = {"seed": np.array(seed), "state": np.array([] if state is None else state)}
    return play(env, style, rng), start


def render(start: dict[str, np.ndarray], executed: np.ndarray) -> np.ndarray:
    """The pixels seen before each step of a replay of `executed` (T, 2), (T, 96, 96, 3) uint8."""
    env = PushTEnv(obs_type="pixels")
    reset(env, int(start["seed"]), start["state"].tolist() or None)
    images = []
    for target in executed:
        images.append(env.get_obs())
        env.step(target.astype(np.float64))
    return np.array(images, dtype=np.uint8)


def generate_file(recipe: Recipe, index: int, folder: Path) -> bool:
    """Play episode `index` into its file, unless it is there already; returns whether it succeeded."""

    def play_it() -> dict[str, np.ndarray]:
        episode, start = generate(recipe, index)
        record: dict[str, np.ndarray] = {**start, "success": np.array(episode is not None and episode.success)}
        if episode is not None and episode.success:
            record |= {key: getattr(episode, key) for key in ("agent", "block", "action", "executed", "coverage")}
            if recipe.images:
                record["image"] = render(start, episode.executed)
        return record

    return bool(load(played_once(episode_file(folder, index), play_it), "success")["success"])
