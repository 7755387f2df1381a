"""One ALOHA demonstration from two numbers: what episode `index` of a seeded run is, whoever computes it and when.

Kept free of lerobot, so that a spawned worker starts in a second.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from lerobot_dp_plus.demos.aloha_expert import draw_style, plan
from lerobot_dp_plus.demos.aloha_replay import Episode, play, rehearse
from lerobot_dp_plus.demos.episode_files import episode_file, load, played_once
from lerobot_dp_plus.environments.aloha_physics import TASKS, AlohaPhysics, check_task, sample_objects
from lerobot_dp_plus.environments.aloha_render import check_picture, render

CAMERAS = ("top", "none")
FIRST_SEED, LAST_SEED = 20_000, 89_999  # of gym_aloha's objects; policies are chosen and reported on higher ones
_LINGER = (5, 20)  # steps recorded after the goal has been held


@dataclass(frozen=True)
class Recipe:
    """What a run of demonstrations is made of.

    task: `transfer_cube` or `insertion`.
    seed: of the run; episode i depends on (task, seed, i) only.
    camera: `top` or `none`.
    height, width: of the pictures; of no consequence without a camera.
    look: `stock` or `lite`, see `aloha_render`.
    environment_state: also record the objects' poses; always on without a camera.

    Raises:
        ValueError: a field is illegal; the message names it, its value and what is legal.
    """

    task: str
    seed: int = 0
    camera: str = "top"
    height: int = 480
    width: int = 640
    look: str = "stock"
    environment_state: bool = False

    def __post_init__(self) -> None:
        check_task(self.task)
        if self.seed < 0:
            raise ValueError(f"seed={self.seed}: legal are integers from 0")
        if self.camera not in CAMERAS:
            raise ValueError(f"cameras={self.camera!r}: legal are {', '.join(CAMERAS)}")
        check_picture(self.height, self.width, self.look)
        if self.camera == "none" and not self.environment_state:
            raise ValueError("environment_state=False with cameras='none': nothing would show where the objects are")

    @property
    def picture(self) -> tuple[int, int] | None:
        """(height, width) of the recorded pictures, None for none."""
        return None if self.camera == "none" else (self.height, self.width)


def environment_seed(recipe: Recipe, index: int) -> int:
    """The seed from which gym_aloha places the objects of episode `index`."""
    return FIRST_SEED + (recipe.seed * 10_007 + index) % (LAST_SEED - FIRST_SEED + 1)


@lru_cache
def _physics(task: str) -> AlohaPhysics:
    return AlohaPhysics(task)


def generate(recipe: Recipe, index: int) -> Episode:
    """Play episode `index`: plan, rehearse, play, and cut what comes after the goal has been held a while."""
    rng = np.random.default_rng([TASKS.index(recipe.task), recipe.seed, index])
    physics = _physics(recipe.task)
    objects = sample_objects(recipe.task, environment_seed(recipe, index))
    wanted = plan(recipe.task, objects, draw_style(recipe.task, rng))
    episode = play(physics, objects, rehearse(physics, objects, wanted))
    if not episode.completed.any():
        return episode
    end = int(episode.completed.argmax()) + 1 + int(rng.integers(*_LINGER))
    return Episode(*(getattr(episode, name)[:end] for name in ("action", "state", "objects", "reward", "completed")))


def pictures(recipe: Recipe, index: int, actions: np.ndarray) -> np.ndarray:
    """What the camera sees before each step of a replay of `actions` (T, 14), (T, height, width, 3) uint8."""
    physics = _physics(recipe.task)
    physics.reset(sample_objects(recipe.task, environment_seed(recipe, index)))
    images = []
    for action in actions:
        images.append(render(physics, recipe.height, recipe.width, recipe.look))
        physics.step(action)
    return np.array(images)


def generate_file(recipe: Recipe, index: int, folder: Path) -> tuple[bool, bool]:
    """Play episode `index` into its file, unless it is there already; returns (success, completed).

    A simulation that becomes unstable is an attempt that failed.
    """

    def play_it() -> dict[str, np.ndarray]:
        try:
            episode = generate(recipe, index)
        except FloatingPointError:
            return {"success": np.array(False), "completed": np.array(False)}
        record = {"success": np.array(episode.success), "completed": np.array(episode.completed.any())}
        if all(record.values()):
            record |= {key: getattr(episode, key) for key in ("action", "state", "objects", "reward")}
            if recipe.picture is not None:
                record["image"] = pictures(recipe, index, episode.action)
        return record

    kept = load(played_once(episode_file(folder, index), play_it), "success", "completed")
    return bool(kept["success"]), bool(kept["completed"])
